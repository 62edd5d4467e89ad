import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPatch } from '@exuvia/guest';
import type { KernelName } from '../../src/kernel-guests/index.ts';
import { cached, keyOf, keyOfFiles } from '../../src/support/cache.ts';
import type { Bed } from './bed.ts';

const FOLDER = join(import.meta.dirname, '../patches');
const GUEST = join(import.meta.dirname, '../../../guest/src');
/** What a built patch is made of besides its source. */
const BUILDERS = ['build/build.ts', 'build/shadow.ts', 'sdk/header.ts'].map((path) => join(GUEST, path));

/** The path of a patch of e2e-guest/patches, built for a kernel; `define` is put at the head of its source. */
export async function patchFile(bed: Bed, kernel: KernelName, name: string, define = ''): Promise<string> {
  return patchOf(bed, kernel, name, `${define}${await readFile(join(FOLDER, `${name}.c`), 'utf8')}`);
}

/** The same for a text. */
export async function patchOf(bed: Bed, kernel: KernelName, name: string, text: string): Promise<string> {
  const flat = name.replaceAll('/', '-');
  const { release } = bed.kernels.kernels[kernel];
  const key = keyOf(text, release, bed.root.key, await keyOfFiles(BUILDERS));
  const folder = await cached(`guest-patch-${kernel}-${flat}`, key, async (into) => {
    const work = await mkdtemp(join(tmpdir(), 'exuvia-test-patch-'));
    try {
      const source = join(work, `${flat}.c`);
      await writeFile(source, text);
      await buildPatch({ source, release, output: join(into, `${flat}.ko`), headers: bed.root.root });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return join(folder, `${flat}.ko`);
}
