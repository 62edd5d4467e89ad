import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { cached, keyOf, keyOfFiles } from '../support/cache.ts';

const NATIVE = join(import.meta.dirname, '../../../../native');
const FLAGS = ['-std=gnu17', '-O2', '-g0', '-Wall', '-Wextra', '-D_GNU_SOURCE', '-static', '-s'];

/** Compiles the guests' init (native/guest) and returns its path; compiled once for each state of its sources. */
export async function guestProgram(): Promise<{ readonly path: string; readonly key: string }> {
  const sources = await headersAndSources();
  const key = keyOf(await keyOfFiles(sources), FLAGS);
  const folder = await cached('guest-program', key, async (into) => {
    await mkdir(into, { recursive: true });
    const main = join(NATIVE, 'guest/exuvia-guest-init.c');
    await run('cc', [...FLAGS, '-I', join(NATIVE, 'common'), '-o', join(into, 'init'), main, '-lpthread']);
  });
  return { path: join(folder, 'init'), key };
}

async function headersAndSources(): Promise<string[]> {
  const folders = [join(NATIVE, 'guest'), join(NATIVE, 'common')];
  const lists = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).sort().map((name) => join(folder, name))),
  );
  return lists.flat().filter((path) => /\.[ch]$/.test(path));
}
