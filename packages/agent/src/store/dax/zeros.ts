import { type FileHandle, open } from 'node:fs/promises';

/** Written at a time: a whole number of huge pages, small enough to let other work happen in between. */
const CHUNK = Buffer.alloc(4 * 2 ** 20);

/** Writes zeros over the first `bytes` of an open file and returns when they are in the memory below. */
export async function writeZeros(file: FileHandle, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; ) {
    const { bytesWritten } = await file.write(CHUNK, 0, Math.min(CHUNK.length, bytes - at), at);
    at += bytesWritten;
  }
  await file.sync();
}

/** Overwrites all that a file holds, without changing where it lies. */
export async function overwriteWithZeros(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await writeZeros(file, (await file.stat()).size);
  } finally {
    await file.close();
  }
}
