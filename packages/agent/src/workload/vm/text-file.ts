import { open } from 'node:fs/promises';
import { isErrno } from '@exuvia/sys';

const TAIL_BYTES = 2000;

/** The end of a log file from byte `since` on, at most 2 kB of it; empty when there is none. Of one that was cut since: of all. */
export async function tail(path: string, since = 0): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const start = Math.max(since > size ? 0 : since, size - TAIL_BYTES);
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(TAIL_BYTES), position: start });
      return printable(buffer.toString('utf8', 0, bytesRead)).trim();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return '';
    throw error;
  }
}

export async function lastLine(path: string): Promise<string | null> {
  return (await tail(path)).split('\n').at(-1) || null;
}

/** Length of a file in bytes, 0 when there is none. */
export async function sizeOf(path: string): Promise<number> {
  try {
    const file = await open(path, 'r');
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 0;
    throw error;
  }
}

/** Log text ends up on terminals: control characters are left out. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, '');
}
