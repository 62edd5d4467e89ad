import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cached, isCached, keyOf } from './cache.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-cache-'));
  vi.stubEnv('EXUVIA_CACHE', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const fill = (text: string) => (into: string) => writeFile(join(into, 'piece'), text);

test('a piece is built once for its key', async () => {
  const key = keyOf('a', 1);
  const first = await cached('piece', key, fill('one'));
  expect(await cached('piece', key, fill('two'))).toBe(first);
  expect(await readFile(join(first, 'piece'), 'utf8')).toBe('one');
  expect(isCached('piece', key)).toBe(true);
  expect(isCached('piece', keyOf('a', 2))).toBe(false);
});

test('a build that fails leaves nothing, and is done again', async () => {
  const key = keyOf('a');
  const broken = cached('piece', key, async (into) => {
    await fill('half')(into);
    throw new Error('The power failed.');
  });
  await expect(broken).rejects.toThrow('The power failed.');
  expect(await readdir(folder)).toEqual([]);
  expect(await readFile(join(await cached('piece', key, fill('whole')), 'piece'), 'utf8')).toBe('whole');
});

test('the last two pieces of a kind are kept, and those of other kinds', async () => {
  await cached('other', keyOf('x'), fill(''));
  const pieces: string[] = [];
  for (const name of ['a', 'b', 'c']) pieces.push(await cached('piece', keyOf(name), fill(name)));
  expect((await readdir(folder)).map((name) => join(folder, name)).sort()).toEqual(
    [join(folder, `other-${keyOf('x')}`), ...pieces.slice(1)].sort(),
  );
});

test('what a killed build left is removed by the next one', async () => {
  const key = keyOf('a');
  const left = join(folder, `piece-${key}.99999999.unfinished`);
  await writeFile(left, '');
  await cached('piece', key, fill(''));
  expect(await readdir(folder)).toEqual([`piece-${key}`]);
});

test('a key tells parts from their concatenation', () => {
  expect(keyOf('ab', 'c')).not.toBe(keyOf('a', 'bc'));
});

test('a piece that is wanted twice at once is built once', async () => {
  const key = keyOf('a');
  let builds = 0;
  const build = async (into: string) => {
    builds += 1;
    await fill('one')(into);
  };
  const [first, second] = await Promise.all([cached('piece', key, build), cached('piece', key, build)]);
  expect(first).toBe(second);
  expect(builds).toBe(1);
  expect((await readdir(first)).sort()).toEqual(['.complete', 'piece']);
});
