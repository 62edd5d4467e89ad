import { readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { probeBlockDevice, run } from '@exuvia/sys';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { expect, test } from 'vitest';
import { MKFS_ARGUMENTS, requireWritable } from './format.ts';

const MIB = 2 ** 20;

/** A file in place of the device; the lab formats a real one. Not in /tmp, which may be a tmpfs without O_DIRECT. */
async function image(bytes: number): Promise<string> {
  const path = join(await temporaryDirectory('/var/tmp'), 'image');
  await writeFile(path, '');
  await truncate(path, bytes);
  return path;
}

test('the store is an ext4 with its label, without spare superblocks, all of it initialised', async () => {
  const path = await image(256 * MIB);
  await run('mkfs.ext4', [...MKFS_ARGUMENTS, path]);
  expect(await probeBlockDevice(path)).toMatchObject({ type: 'ext4', label: 'exuvia-store' });
  const { stdout } = await run('dumpe2fs', [path]);
  expect(stdout).toMatch(/^Block size: +4096$/m);
  expect(stdout).toMatch(/^RAID stripe width: +512$/m);
  expect(stdout).toMatch(/^Reserved block count: +0$/m);
  expect(stdout).not.toContain('Backup superblock');
  expect(stdout).not.toContain('ITABLE_UNINIT');
});

test('little of a store is lost to the file system itself', async () => {
  const path = await image(1024 * MIB);
  await run('mkfs.ext4', [...MKFS_ARGUMENTS, path]);
  const { stdout } = await run('dumpe2fs', ['-h', path]);
  const number = (name: string) => Number(new RegExp(`^${name}: +([0-9]+)$`, 'm').exec(stdout)?.[1]);
  expect(number('Block count') - number('Free blocks')).toBeLessThan((20 * MIB) / 4096);
});

test('a device that keeps what is written is left as it was', async () => {
  const path = await image(4 * MIB);
  await writeFile(path, Buffer.alloc(4 * MIB, 'x'));
  await requireWritable({ path, sizeBytes: 4 * MIB });
  expect((await readFile(path)).equals(Buffer.alloc(4 * MIB, 'x'))).toBe(true);
});

test('a device that forgets what is written is refused', async () => {
  const path = await image(4 * MIB);
  const directory = dirname(path);
  // Stands in for a region without memory, which no test machine has: what is written vanishes.
  const script = '#!/bin/sh\ncase "$*" in *of=*) exit 0;; esac\nPATH=/usr/bin:/bin exec dd "$@"\n';
  await writeFile(join(directory, 'dd'), script, { mode: 0o755 });
  const before = process.env.PATH;
  process.env.PATH = `${directory}:${before}`;
  try {
    await expect(requireWritable({ path, sizeBytes: 4 * MIB })).rejects.toMatchObject({
      code: 'store-not-writable',
      message: `${path} does not keep what is written to it (block 0 of 1024).`,
    });
  } finally {
    process.env.PATH = before;
  }
});

test('a device that cannot be written at all is refused', async () => {
  await expect(requireWritable({ path: '/dev/full', sizeBytes: 4 * MIB })).rejects.toMatchObject({
    code: 'store-not-writable',
  });
});
