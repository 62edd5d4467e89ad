import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@exuvia/agent';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../testing/run.ts';

const path = process.env.PATH;
let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => {
  process.env.PATH = path;
});

const ALL = ['ca.crt', 'ca.key', 'ca.srl', 'client.crt', 'client.key', 'server.crt', 'server.key'];

test('a try that failed leaves nothing behind and does not keep the next one from it', async () => {
  const existing = join(folder, 'tls');
  await mkdir(existing);
  process.env.PATH = '/nonexistent';
  for (const directory of [existing, join(folder, 'new', 'tls')]) {
    expect(await run(['cert', 'init', directory])).toEqual({
      status: 1,
      out: '',
      err: 'exuvia: openssl req failed.\n        Install it: apt install openssl\n',
    });
  }
  expect(await readdir(folder, { recursive: true })).toEqual(['tls']);
  process.env.PATH = path;
  expect((await run(['cert', 'init', existing])).status).toBe(0);
  expect((await readdir(existing)).sort()).toEqual(ALL);
});

test('certificates are not overwritten where the key of their authority is kept elsewhere', async () => {
  await writeFile(join(folder, 'ca.crt'), 'old');
  expect(await run(['cert', 'init', folder])).toMatchObject({
    status: 3,
    err: `exuvia: ${folder}/ca.crt exists already.\n        Choose another directory, or remove the old authority.\n`,
  });
  expect(await readdir(folder)).toEqual(['ca.crt']);
});
