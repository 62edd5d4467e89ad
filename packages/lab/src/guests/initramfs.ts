import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { run } from '@exuvia/sys';

/** What a guest's init inserts: its disk, its power button and the events of that button. */
const MODULES = ['virtio_blk', 'button', 'evdev'];

/** Makes a guest's initramfs: the init and the few modules of its kernel, uncompressed. */
export async function makeGuestInitramfs(
  target: string,
  options: { init: string; root: string; release: string },
): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'exuvia-guest-'));
  try {
    await mkdir(join(work, 'modules'));
    await copyFile(options.init, join(work, 'init'));
    const files = await moduleFiles(join(options.root, 'usr/lib/modules', options.release));
    for (const file of files) await unpackModule(file, join(work, 'modules', moduleName(file)));
    await writeFile(join(work, 'modules/list'), `${files.map(moduleName).join('\n')}\n`);
    await writeCpio(work, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Packs a folder as the kernel's initramfs format (cpio newc), uncompressed. */
export async function writeCpio(folder: string, target: string): Promise<void> {
  const names = (await readdir(folder, { recursive: true })).sort();
  await run('cpio', ['--quiet', '--create', '--format=newc', '--owner=0:0', '--reproducible', '-F', target], {
    cwd: folder,
    input: `${['.', ...names].join('\n')}\n`,
  });
}

/** Paths of {@link MODULES} with what they depend on, in the order in which they can be inserted. */
async function moduleFiles(folder: string): Promise<string[]> {
  const lines = (await readFile(join(folder, 'modules.dep'), 'utf8')).split('\n');
  const builtIn = await readFile(join(folder, 'modules.builtin'), 'utf8');
  const ordered = new Set<string>();
  for (const name of MODULES) {
    const line = lines.find((each) => moduleName(each.split(':')[0] ?? '') === `${name}.ko`);
    if (line === undefined) {
      if (builtIn.includes(`/${name}.ko`)) continue;
      throw new ExuviaError('module-missing', `The kernel in ${folder} has no module ${name}.`);
    }
    const [file = '', dependencies = ''] = line.split(':');
    for (const each of dependencies.trim().split(/\s+/).reverse()) if (each !== '') ordered.add(each);
    ordered.add(file);
  }
  return [...ordered].map((path) => join(folder, path));
}

function moduleName(file: string): string {
  return basename(file).replace(/\.(xz|zst|gz)$/, '');
}

async function unpackModule(file: string, target: string): Promise<void> {
  if (file.endsWith('.ko')) return copyFile(file, target);
  const program = file.endsWith('.xz') ? 'xz' : 'zstd';
  await copyFile(file, `${target}.packed`);
  await run('sh', ['-c', `${program} -dc "$1" > "$2" && rm "$1"`, 'sh', `${target}.packed`, target]);
}
