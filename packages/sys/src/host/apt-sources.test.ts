import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/index.ts';
import { aptSources, namesOfSources, parseAptSources } from './apt-sources.ts';

test('the files of both formats are read in their order; others are none', async () => {
  const folder = await temporaryDirectory();
  await mkdir(join(folder, 'sources.list.d'));
  await writeFile(join(folder, 'sources.list'), 'deb http://one.example/debian trixie main\n');
  const stanza =
    'Types: deb\nURIs: http://two.example/debian/\nSuites: trixie trixie-backports\nComponents: main\n';
  await writeFile(join(folder, 'sources.list.d/debian.sources'), stanza);
  await writeFile(join(folder, 'sources.list.d/old.list.bak'), 'deb http://no.example/debian trixie main\n');
  expect(namesOfSources(await aptSources(folder))).toEqual([
    'http://one.example/debian trixie',
    'http://two.example/debian trixie',
    'http://two.example/debian trixie-backports',
  ]);
  expect(await aptSources(join(folder, 'none'))).toEqual([]);
});

test('an archive is named once a suite, without its password', () => {
  const text = `deb https://me:secret@deb.example/debian trixie main
deb https://me:secret@deb.example/debian trixie contrib
`;
  expect(namesOfSources(parseAptSources(text))).toEqual(['https://deb.example/debian trixie']);
});
