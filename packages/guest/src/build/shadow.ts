import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Headers } from './headers.ts';

/**
 * A copy of an unpacked headers folder in `folder`, made of links. Debian's Makefile there includes
 * /usr/src/linux-headers-...-common/Makefile by its full name, which is right only where the packages are
 * installed; since 7.1 it also sets KBUILD_OUTPUT.
 */
export async function shadowHeaders(headers: Headers, folder: string): Promise<void> {
  for (const name of await readdir(headers.folder)) {
    if (name !== 'Makefile') await symlink(join(headers.folder, name), join(folder, name));
  }
  const text = await readFile(join(headers.folder, 'Makefile'), 'utf8');
  const makefile = text
    .replace(/^KBUILD_OUTPUT=.*$/m, `KBUILD_OUTPUT=${folder}`)
    .replaceAll(/(^include )\/usr\/src\//gm, `$1${join(headers.root, 'usr/src')}/`);
  await writeFile(join(folder, 'Makefile'), makefile);
}
