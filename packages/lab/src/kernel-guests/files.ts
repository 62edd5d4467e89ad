import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONSOLE_ENTRY, type CpioEntry, cpioArchive, run } from '@exuvia/sys';
import { moduleEntries } from '../guests/initramfs.ts';
import { kernelGuestProgram } from '../guests/program.ts';
import { cached, keyOf } from '../support/cache.ts';
import type { Kernel, Kernels } from './kernels.ts';

/** The control channel's, the disk's and its file system's. */
const MODULES = ['virtio_pci', 'virtio_console', 'virtio_blk', 'ext4'];
const PROGRAMS = [
  'hammer',
  'callloop',
  'sleeper',
  'diskwriter',
  'insert',
  'kexec',
  'statmask',
  'timens',
  'routes',
];
/** Commands of busybox that are no shell built-ins and that tests use by their plain names. */
const BUSYBOX_LINKS = 'ash cat cp cut dd dmesg echo find free grep head hexdump insmod kill ls lsmod mkdir'
  .concat(
    ' mkfifo mount nohup poweroff ps pidof readlink reboot rm rmmod sed seq sh sleep sort stat sync tail',
  )
  .concat(' taskset tee test timeout touch tr true umount uname uptime usleep wc xargs setsid stty awk nice')
  .concat(' false md5sum nc ip ping losetup mknod env printf renice top chmod ln mv od expr cmp')
  .split(' ');
const DISK_MIB = 96;

/** A file for the guest's root file system: its path there, without a leading slash, and what it is a copy of. */
export interface GuestFile {
  readonly path: string;
  readonly source: string;
}

/** The initramfs of a kernel's guest, without a test's own files. */
export async function kernelGuestInitramfs(kernels: Kernels, kernel: Kernel): Promise<string> {
  const program = await kernelGuestProgram();
  const key = keyOf(1, kernels.key, kernel.release, program.key, MODULES, PROGRAMS, BUSYBOX_LINKS);
  const folder = await cached(`kernel-guest-${kernel.name}`, key, async (into) => {
    const link = (path: string, target: string): CpioEntry => ({ type: 'symlink', path, target });
    const entries: CpioEntry[] = [
      CONSOLE_ENTRY,
      { type: 'file', path: 'init', mode: 0o755, data: await readFile(program.path) },
      { type: 'file', path: 'bin/busybox', mode: 0o755, data: await readFile(kernels.busybox) },
      ...PROGRAMS.map((name) => link(`bin/${name}`, '/init')),
      ...BUSYBOX_LINKS.map((name) => link(`bin/${name}`, 'busybox')),
      { type: 'directory', path: 'tmp' },
      ...(await moduleEntries(kernel.release, kernel.root, MODULES)),
    ];
    await writeFile(join(into, 'initrd'), cpioArchive(entries));
  });
  return join(folder, 'initrd');
}

/** Writes the initramfs of one guest: the kernel's, and a second archive with the test's own files. */
export async function writeInitramfs(
  target: string,
  common: string,
  files: readonly GuestFile[],
): Promise<void> {
  await copyFile(common, target);
  if (files.length === 0) return;
  const entries = await Promise.all(
    files.map(async ({ path, source }): Promise<CpioEntry> => {
      return { type: 'file', path, mode: 0o755, data: await readFile(source) };
    }),
  );
  await writeFile(target, cpioArchive(entries), { flag: 'a' });
}

/** An empty ext4 file system in a sparse file. */
export async function makeDisk(target: string): Promise<void> {
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-m', '0', target, `${DISK_MIB}M`]);
}
