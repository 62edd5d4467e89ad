import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/index.ts';
import { appendDurably, removeDurably, writeFileDurably } from './durable.ts';
import { readIfExists } from './read.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryDirectory();
});

test('a file is written with its mode, its directory made, and no temporary file is left', async () => {
  const path = join(folder, 'a', 'b.json');
  await writeFileDurably(path, 'one', { mode: 0o600 });
  await writeFileDurably(path, 'two', { mode: 0o600 });
  expect(await readFile(path, 'utf8')).toBe('two');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(folder, 'a'))).toEqual(['b.json']);
});

test('a write that fails leaves no temporary file', async () => {
  const path = join(folder, 'x');
  await writeFileDurably(join(path, 'inner'), '');
  await expect(writeFileDurably(path, 'text')).rejects.toMatchObject({ code: 'EISDIR' });
  expect(await readdir(folder)).toEqual(['x']);
});

test('appending adds to what is there', async () => {
  const path = join(folder, 'log');
  await appendDurably(path, 'one\n');
  await appendDurably(path, 'two\n');
  expect(await readFile(path, 'utf8')).toBe('one\ntwo\n');
});

test('a missing file reads as null, a directory is an error', async () => {
  expect(await readIfExists(join(folder, 'none'))).toBeNull();
  await expect(readIfExists(folder)).rejects.toMatchObject({ code: 'EISDIR' });
});

test('removing a file twice, or from a missing directory, is no error', async () => {
  const path = join(folder, 'x');
  await writeFileDurably(path, '');
  await removeDurably(path);
  await removeDurably(path);
  await removeDurably(join(folder, 'none', 'x'));
  expect(await readdir(folder)).toEqual([]);
});
