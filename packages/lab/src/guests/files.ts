import { appendFile, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import type { Base } from '../image/base.ts';
import type { Credentials } from '../image/credentials.ts';
import { toolPath } from '../image/toolbox.ts';
import { cached, keyOf, keyOfFiles } from '../support/cache.ts';
import { makeGuestInitramfs } from './initramfs.ts';
import { guestProgram } from './program.ts';
import { sshArchive } from './ssh.ts';

const DISK_MIB = 96;
/** What the pieces are made by. */
const SOURCES = ['files.ts', 'initramfs.ts', 'ssh.ts', '../image/toolbox.ts'].map((name) =>
  join(import.meta.dirname, name),
);

/** A folder with what the guests boot from: vmlinuz, initrd, ssh-initrd (the same with an sshd) and disk.qcow2. */
export async function guestFiles(
  base: Base,
  credentials: Credentials,
): Promise<{ readonly folder: string; readonly key: string }> {
  const program = await guestProgram();
  const release = base.pins.kernels.old;
  const key = keyOf(base.key, program.key, release, credentials.key, await keyOfFiles(SOURCES));
  const folder = await cached('guests', key, async (into) => {
    await mkdir(into, { recursive: true });
    await copyFile(join(base.root, 'boot', `vmlinuz-${release}`), join(into, 'vmlinuz'));
    await makeGuestInitramfs(join(into, 'initrd'), { init: program.path, root: base.root, release });
    await makeGuestDisk(base, join(into, 'disk.qcow2'));
    await copyFile(join(into, 'initrd'), join(into, 'ssh-initrd'));
    await appendFile(join(into, 'ssh-initrd'), await sshArchive(base, credentials));
  });
  return { folder, key };
}

/** An empty ext4 file system in a qcow2 image. */
async function makeGuestDisk(base: Base, target: string): Promise<void> {
  const raw = `${target}.raw`;
  await run('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-m',
    '0',
    '-O',
    '^metadata_csum_seed,^orphan_file',
    raw,
    `${DISK_MIB}M`,
  ]);
  await run(toolPath(base.folder, 'qemu-img'), ['convert', '-f', 'raw', '-O', 'qcow2', raw, target]);
  await run('rm', [raw]);
}
