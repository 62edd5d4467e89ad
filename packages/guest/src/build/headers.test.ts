import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildPatch } from './build.ts';
import { findHeaders } from './headers.ts';
import { shadowHeaders } from './shadow.ts';

const RELEASE = '6.12.1+deb13-cloud-amd64';
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'exuvia-headers-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const unpack = async () => {
  const folder = join(root, `usr/src/linux-headers-${RELEASE}`);
  await mkdir(join(folder, 'include'), { recursive: true });
  await writeFile(
    join(folder, 'Makefile'),
    `KBUILD_OUTPUT=/usr/src/linux-headers-${RELEASE}\ninclude /usr/src/linux-headers-6.12.1+deb13-common/Makefile\n`,
  );
  return folder;
};

test('unpacked headers packages are found below a folder', async () => {
  const folder = await unpack();
  expect(await findHeaders(RELEASE, root)).toEqual({ folder, root, ownTools: false });
});

test('a link to /usr/src is followed within the folder, and tools there are used', async () => {
  const folder = await unpack();
  await rm(join(root, 'lib'), { force: true });
  await mkdir(join(root, 'lib/modules/6.12.1'), { recursive: true });
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await mkdir(join(root, 'bin'));
  await writeFile(join(root, 'usr/bin/make'), '');
  await writeFile(join(root, 'bin/sh'), '');
  await symlink(`/usr/src/linux-headers-${RELEASE}`, join(root, 'lib/modules/6.12.1/build'));
  expect(await findHeaders('6.12.1', root)).toEqual({ folder, root, ownTools: true });
});

test('headers that are not there are named, with the package that has them', async () => {
  await expect(findHeaders('6.12.9-none', root)).rejects.toMatchObject({
    code: 'patch-headers-missing',
    message: `There are no headers of 6.12.9-none in ${root}.`,
    hint: 'Install linux-headers-6.12.9-none, or unpack it (with its -common and linux-kbuild packages) and name the folder with --headers.',
  });
  await expect(findHeaders('6.12.9-none', undefined)).rejects.toThrow(
    'The headers of 6.12.9-none are not installed on this machine.',
  );
  await expect(findHeaders('../../etc', root)).rejects.toThrow('"../../etc" is no kernel release.');
});

test('a shadow of unpacked headers has a Makefile that finds them where they are', async () => {
  const folder = await unpack();
  const shadow = join(root, 'shadow');
  await mkdir(shadow);
  await shadowHeaders({ folder, root, ownTools: false }, shadow);
  expect(await readFile(join(shadow, 'Makefile'), 'utf8')).toBe(
    `KBUILD_OUTPUT=${shadow}\ninclude ${root}/usr/src/linux-headers-6.12.1+deb13-common/Makefile\n`,
  );
  expect(await readlink(join(shadow, 'include'))).toBe(join(folder, 'include'));
});

test('a source that is not there is named before anything is built', async () => {
  const source = join(root, 'none.c');
  await expect(buildPatch({ source, release: RELEASE, output: join(root, 'x.ko') })).rejects.toMatchObject({
    code: 'patch-source-missing',
    message: `${source} cannot be read.`,
  });
});
