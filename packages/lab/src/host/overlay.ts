import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import type { Base } from '../image/base.ts';
import { grubEnvironment, menuEntryId, ROOT_OFFSET } from '../image/disk.ts';
import { toolPath } from '../image/toolbox.ts';

/** Makes a qcow2 image that takes a machine's writes and leaves the raw image below as it is. */
export async function makeOverlay(base: Base, below: string, target: string): Promise<void> {
  await rm(target, { force: true });
  await run(toolPath(base.folder, 'qemu-img'), [
    'create',
    '-q',
    '-f',
    'qcow2',
    '-b',
    below,
    '-F',
    'raw',
    target,
  ]);
}

/** Makes a raw image with a GPT and three partitions: for a file system with images, and for guests' block devices. */
export async function makeDataDisk(target: string): Promise<void> {
  await writeFile(target, '');
  await truncate(target, 640 * 2 ** 20);
  await run('sfdisk', ['--quiet', target], { input: 'label: gpt\nsize=384MiB\nsize=160MiB\nsize=32MiB\n' });
}

/**
 * Chooses the kernel that the boot loader of an image starts, without booting it: GRUB's environment block
 * is one block of one file, found with debugfs in the raw image and written over in the overlay.
 */
export async function chooseKernel(
  base: Base,
  below: string,
  overlay: string,
  release: string,
): Promise<void> {
  const { stdout } = await run('debugfs', [
    '-R',
    'blocks /boot/grub/grubenv',
    `${below}?offset=${ROOT_OFFSET}`,
  ]);
  const block = /^\s*([0-9]+)\s*$/m.exec(stdout)?.[1];
  if (block === undefined) {
    throw new ExuviaError('image-invalid', `There is no boot loader environment in ${below}.`, {
      hint: 'Build the image again: exuvia lab image --refresh.',
    });
  }
  const work = await mkdtemp(join(tmpdir(), 'exuvia-grubenv-'));
  try {
    const file = join(work, 'grubenv');
    await writeFile(file, grubEnvironment({ saved_entry: menuEntryId(release) }));
    const offset = ROOT_OFFSET + Number(block) * 4096;
    await run(toolPath(base.folder, 'qemu-io'), [
      '-f',
      'qcow2',
      '-c',
      `write -s ${file} ${offset} 1024`,
      overlay,
    ]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
