import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno } from './errno.ts';

export interface WriteOptions {
  /** Permission bits of the new file. Default: 0644. */
  readonly mode?: number;
}

/**
 * Replaces a file's content so that after a crash or power failure it holds either all of the old content
 * or all of the new, and once this has returned: the new. The directory is created if it is missing.
 */
export async function writeFileDurably(
  path: string,
  content: string | Uint8Array,
  options: WriteOptions = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      // open() takes the process' umask off the mode; the agent's is 0077.
      await file.chmod(options.mode ?? 0o644);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Appends to a file and returns when the bytes are on the disk; creates it, durably, if it is missing. */
export async function appendDurably(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'a', 0o644);
  try {
    const isNew = (await file.stat()).size === 0;
    await file.appendFile(content);
    await file.sync();
    if (isNew) await syncDirectory(dirname(path));
  } finally {
    await file.close();
  }
}

/** Removes a file, durably; does nothing when there is none. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path)).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error;
  });
}

/** Makes creations, renames and removals in a directory survive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
