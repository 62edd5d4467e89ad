import { glob, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import {
  CONSOLE_ENTRY,
  type CpioEntry,
  cpioArchive,
  readModule,
  readModuleIndex,
  resolveModules,
  run,
} from '@exuvia/sys';

const NATIVE = join(import.meta.dirname, '../../../../native');

/** What a guest with a real kernel boots from. */
export interface LinuxGuest {
  readonly kernel: string;
  readonly initrd: string;
}

/** A kernel in a root file system. */
export interface GuestKernel {
  readonly root: string;
  readonly release: string;
}

/** The kernels in the lab's root file system, the oldest first; none before the lab has one. */
export async function findGuestKernels(): Promise<GuestKernel[]> {
  const cache = process.env.EXUVIA_CACHE ?? join(homedir(), '.cache', 'exuvia');
  const found: GuestKernel[] = [];
  for await (const file of glob(`${cache}/base-*/root/boot/vmlinuz-*`))
    found.push({ root: join(file, '../..'), release: basename(file).replace('vmlinuz-', '') });
  return found.sort((a, b) => Number.parseInt(a.release, 10) - Number.parseInt(b.release, 10));
}

/** Makes the lab's guest (native/guest) in a directory: a Debian kernel, one static program, and the drivers of its NIC. */
export async function makeLinuxGuest({ root, release }: GuestKernel, directory: string): Promise<LinuxGuest> {
  const init = join(directory, 'guest-init');
  const source = join(NATIVE, 'guest/exuvia-guest-init.c');
  const flags = ['-O2', '-std=gnu17', '-D_GNU_SOURCE', '-static', '-I', join(NATIVE, 'common')];
  await run('cc', [...flags, '-o', init, source, '-lpthread']);
  const files = resolveModules(await readModuleIndex(release, root), ['virtio_net', 'vmxnet3']);
  const modules = await Promise.all(
    files.map(async ({ path }): Promise<CpioEntry> => {
      const name = basename(path).replace(/\.(xz|zst|gz)$/, '');
      return { type: 'file', path: `modules/${name}`, data: await readModule(path) };
    }),
  );
  const list = modules.map(({ path }) => `${basename(path)}\n`).join('');
  const initrd = join(directory, 'guest-initrd');
  await writeFile(
    initrd,
    cpioArchive([
      CONSOLE_ENTRY,
      { type: 'file', path: 'init', mode: 0o755, data: await readFile(init) },
      ...modules,
      { type: 'file', path: 'modules/list', data: Buffer.from(list) },
    ]),
  );
  return { kernel: join(root, 'boot', `vmlinuz-${release}`), initrd };
}
