import { readFile } from 'node:fs/promises';
import { ExuviaError } from '@exuvia/contract';

/** The bytes of a file that the user named. @throws ExuviaError `file-unreadable`. */
export async function readGivenFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ExuviaError('file-unreadable', `${file} cannot be read: ${(cause as Error).message}.`, {
      cause,
    });
  }
}
