import { constants, type FileHandle, lstat, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSize } from '@exuvia/contract';
import { isErrno, listIfExists, writeFileDurably } from '@exuvia/sys';
import type { VmDependencies, VmPaths } from './dependencies.ts';

/** So much of the disk a log may have when it is looked at. */
const LIMIT_BYTES = 16 * 2 ** 20;

/** So much of the end of one that has more is kept. */
const KEPT_BYTES = 4 * 2 ** 20;

/** Of `stat` (st_blocks), whatever the file system's blocks are. */
const BLOCK_BYTES = 512;

/** Where the newest part of a log is kept that was cut; replaced each time. */
const keptPart = (path: string) => `${path}.1`;

/**
 * Cuts the logs of a directory that have become too long: what a console says is the guest's affair, and so is much of what
 * QEMU complains about, but the disk is the host's. For a timer: a log that is not too long costs a `stat`. Never throws.
 */
export async function cutLogs(directory: string, log: Pick<VmDependencies['log'], 'warn'>): Promise<void> {
  const names = await listIfExists(directory).catch(() => []);
  for (const name of names.filter((name) => name.endsWith('.log'))) {
    const file = join(directory, name);
    try {
      if (await isTooLong(file)) await cut(file, log);
    } catch (err) {
      // Its VM was destroyed meanwhile.
      if (!isErrno(err, 'ENOENT'))
        log.warn({ file, err }, 'A log that has become too long could not be cut.');
    }
  }
}

/** Removes what a VM's console and QEMU have said. */
export async function removeLogs({ consoleLog, qemuLog }: Pick<VmPaths, 'consoleLog' | 'qemuLog'>) {
  for (const path of [consoleLog, qemuLog]) {
    await rm(path, { force: true });
    await rm(keptPart(path), { force: true });
  }
}

/** Not by its length: a QEMU that logs by `-d` goes on where it was when its log has been cut, and leaves a hole before. */
async function isTooLong(path: string): Promise<boolean> {
  const found = await lstat(path);
  return found.isFile() && found.blocks * BLOCK_BYTES > LIMIT_BYTES;
}

/**
 * In place, because QEMU has it open and knows no signal for that. It goes on at the new end: with `logappend=on` the console's
 * log is open with O_APPEND (qemu_char_open in QEMU 10.0's chardev/char.c), and so is what QEMU inherits as its output.
 */
async function cut(path: string, log: Pick<VmDependencies['log'], 'warn'>): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const about = { file: path, bytes: (await file.stat()).size };
    // A full disk must not keep it full.
    const problem = await keepEnd(file, path).then(
      () => null,
      (error: unknown) => error,
    );
    await file.truncate();
    // Removed meanwhile: nothing of it stays.
    if ((await file.stat()).nlink === 0) await rm(keptPart(path), { force: true });
    if (problem === null) {
      log.warn(
        about,
        `A log had become too long: its last ${formatSize(KEPT_BYTES)} are in ${keptPart(path)} now.`,
      );
    } else {
      log.warn({ ...about, err: problem }, 'A log had become too long and was emptied; its end is lost.');
    }
  } finally {
    await file.close();
  }
}

async function keepEnd(file: FileHandle, path: string): Promise<void> {
  const { size, mode } = await file.stat();
  const position = Math.max(0, size - KEPT_BYTES);
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(KEPT_BYTES), position });
  await writeFileDurably(keptPart(path), buffer.subarray(0, bytesRead), { mode: mode & 0o777 });
}
