import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExuviaError, STORE_LABEL } from '@exuvia/contract';
import { type PmemDevice, run, runForBytes } from '@exuvia/sys';

const BLOCK = 4096;

/**
 * How the store's file system is made.
 *
 * - Blocks of one page, or ext4 refuses DAX. Stride and stripe of 512 blocks make its allocator hand out
 *   extents that begin at 2 MiB, so that guests' memory is mapped with huge pages.
 * - No spare superblocks (sparse_super2) and few inodes: they would cut the space into pieces, and the
 *   content does not survive a power failure anyway.
 * - Everything initialised now: no thread writes to the store later, in the middle of an update.
 */
export const MKFS_ARGUMENTS = [
  '-q',
  '-L',
  STORE_LABEL,
  '-b',
  String(BLOCK),
  '-m',
  '0',
  '-i',
  String(2 ** 20),
  '-O',
  'sparse_super2,^resize_inode',
  '-J',
  'size=16',
  '-E',
  'stride=512,stripe_width=512,num_backup_sb=0,lazy_itable_init=0,lazy_journal_init=0,nodiscard',
] as const;

/** Makes the store's file system on a device that has been found blank. @throws ExuviaError `store-format-failed`. */
export async function formatStore(device: PmemDevice): Promise<void> {
  await requireWritable(device);
  const { exitCode, stderr } = await run('mkfs.ext4', [...MKFS_ARGUMENTS, device.path], {
    allowFailure: true,
    timeoutMs: 300_000,
  });
  if (exitCode === 0) return;
  throw new ExuviaError('store-format-failed', `${device.path} could not be formatted.`, {
    hint: `mkfs.ext4 said: ${stderr.trim()}`,
  });
}

/**
 * Writes and reads back both ends of a blank device. A `memmap=` in a hole of the memory map gives a device
 * that looks perfect and keeps nothing.
 *
 * @throws ExuviaError `store-not-writable`.
 */
export async function requireWritable({
  path,
  sizeBytes,
}: Pick<PmemDevice, 'path' | 'sizeBytes'>): Promise<void> {
  const last = Math.floor(sizeBytes / BLOCK) - 1;
  for (const block of [0, last]) {
    const keeps = await keepsBlock(path, block).catch(() => false);
    if (keeps) continue;
    throw new ExuviaError(
      'store-not-writable',
      `${path} does not keep what is written to it (block ${block} of ${last + 1}).`,
      { hint: 'There is no memory at that place: run `exuvia setup --undo`, reboot, and set up again.' },
    );
  }
}

async function keepsBlock(path: string, block: number): Promise<boolean> {
  const before = await readBlock(path, block);
  const pattern = randomBytes(BLOCK);
  await writeBlock(path, block, pattern);
  const after = await readBlock(path, block);
  await writeBlock(path, block, before);
  return after.equals(pattern);
}

/** Past the page cache, which would only prove that it itself works. */
async function readBlock(path: string, block: number): Promise<Buffer> {
  const args = [`if=${path}`, `bs=${BLOCK}`, 'count=1', `skip=${block}`, 'iflag=direct', 'status=none'];
  return Buffer.from(await runForBytes('dd', args));
}

async function writeBlock(path: string, block: number, content: Buffer): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'exuvia-'));
  try {
    const file = join(directory, 'block');
    await writeFile(file, content);
    await run('dd', [
      `if=${file}`,
      `of=${path}`,
      `bs=${BLOCK}`,
      'count=1',
      `seek=${block}`,
      'oflag=direct',
      'conv=notrunc,fsync',
      'status=none',
    ]);
  } finally {
    await rm(directory, { recursive: true });
  }
}
