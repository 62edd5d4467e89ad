import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { madeOfFiles } from './unchanged.ts';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'exuvia-unchanged-'));
  file = join(directory, 'one');
  await writeFile(file, 'first');
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Counts how often something is made. */
function counting() {
  const made = madeOfFiles<number>();
  let count = 0;
  const make = async () => ++count;
  return { made, make };
}

test('it is made once while the files stay what they are', async () => {
  const { made, make } = counting();
  expect(await made('a', [file], make)).toBe(1);
  expect(await made('a', [file], make)).toBe(1);
});

test('it is made again when a file was replaced by one of the same size, changed, or removed', async () => {
  const { made, make } = counting();
  await made('a', [file], make);
  await writeFile(join(directory, 'new'), 'other');
  await rename(join(directory, 'new'), file);
  expect(await made('a', [file], make)).toBe(2);
  await writeFile(file, 'longer than before');
  expect(await made('a', [file], make)).toBe(3);
  await rm(file);
  expect(await made('a', [file], make)).toBe(4);
  expect(await made('a', [file], make)).toBe(4);
});

test('another name is another thing', async () => {
  const { made, make } = counting();
  expect(await made('a', [file], make)).toBe(1);
  expect(await made('b', [file], make)).toBe(2);
  expect(await made('a', [file], make)).toBe(1);
});

test('a failure is not kept', async () => {
  const made = madeOfFiles<number>();
  await expect(made('a', [file], () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await made('a', [file], async () => 7)).toBe(7);
});
