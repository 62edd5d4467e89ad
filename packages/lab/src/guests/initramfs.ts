import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  CONSOLE_ENTRY,
  type CpioEntry,
  cpioArchive,
  readModule,
  readModuleIndex,
  resolveModules,
} from '@exuvia/sys';

/** What a guest's init inserts: its disk, its NIC, its power button and the events of that button. */
const MODULES = ['virtio_blk', 'virtio_net', 'vmxnet3', 'button', 'evdev'];

/** Makes a guest's initramfs: the init and the few modules of its kernel, uncompressed. */
export async function makeGuestInitramfs(
  target: string,
  options: {
    init: string;
    release: string;
    root: string;
    /** Further modules, and files with all that they need. */
    modules?: readonly string[];
    files?: readonly CpioEntry[];
  },
): Promise<void> {
  const names = [...MODULES, ...(options.modules ?? [])];
  const modules = await moduleEntries(options.release, options.root, names);
  await writeFile(
    target,
    cpioArchive([
      CONSOLE_ENTRY,
      { type: 'file', path: 'init', mode: 0o755, data: await readFile(options.init) },
      ...modules,
      ...(options.files ?? []),
    ]),
  );
}

/** Modules with all that they need, in the folder and order in which a guest's init loads them. */
export async function moduleEntries(
  release: string,
  root: string,
  names: readonly string[],
): Promise<CpioEntry[]> {
  const index = await readModuleIndex(release, root);
  const modules: CpioEntry[] = [];
  for (const { path } of resolveModules(index, names)) {
    const name = basename(path).replace(/\.(xz|zst|gz)$/, '');
    modules.push({ type: 'file', path: `modules/${name}`, data: await readModule(path) });
  }
  const list = modules.map((entry) => basename(entry.path)).join('\n');
  return [...modules, { type: 'file', path: 'modules/list', data: Buffer.from(`${list}\n`) }];
}

/** An initramfs that holds nothing but one program. */
export async function makeSingleProgramInitramfs(target: string, program: string): Promise<void> {
  await writeFile(
    target,
    cpioArchive([CONSOLE_ENTRY, { type: 'file', path: 'init', mode: 0o755, data: await readFile(program) }]),
  );
}
