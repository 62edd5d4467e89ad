import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openPhysicalMemory } from './physical.ts';

const RANGES = [
  { start: 0, size: 0x1000, backend: 'ram', offset: 0 },
  { start: 0x1000, size: 0x1000, backend: 'ram', offset: 0x2000 },
  { start: 0x10_0000, size: 0x1000, backend: 'ram', offset: 0x1000 },
];

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-ram-'));
  file = join(folder, 'ram');
  const content = Buffer.alloc(0x3000);
  content.fill(1, 0, 0x1000).fill(3, 0x1000, 0x2000).fill(2, 0x2000);
  await writeFile(file, content);
});
afterEach(() => rm(folder, { recursive: true }));

const open = (options = {}) => openPhysicalMemory(RANGES, new Map([['ram', file]]), options);

test('a read goes over ranges that are adjacent in the guest, wherever they lie in the file', () => {
  const memory = open();
  expect([...memory.read(0xffe, 4)]).toEqual([1, 1, 2, 2]);
  expect([...memory.read(0x10_0000, 2)]).toEqual([3, 3]);
  memory.close();
});

test('a byte that is not RAM is refused by its address', () => {
  const memory = open();
  expect(() => memory.read(0x1ffe, 4)).toThrow('Guest-physical address 0x2000 is not RAM.');
  expect(() => memory.read(-8, 8)).toThrow('Guest-physical address 0x-8 is not RAM.');
  expect(() => memory.read(2 ** 52, 1)).toThrow('Guest-physical address 0x10000000000000 is not RAM.');
  memory.close();
});

test.each([[-1], [2 ** 40], [Number.NaN], [1.5]])('a read of %d bytes is refused', (length) => {
  const memory = open();
  expect(() => memory.read(0, length)).toThrow(`A read of ${length} bytes of guest memory is refused.`);
  memory.close();
});

test('a write that leaves RAM writes nothing, and never lengthens the file', async () => {
  const memory = open({ writable: true });
  memory.write(0x1ffe, Buffer.from([8, 9]));
  expect(() => memory.write(0x1ffe, Buffer.from([5, 6, 7]))).toThrow(
    'Guest-physical address 0x2000 is not RAM.',
  );
  expect([...memory.read(0x1ffe, 2)]).toEqual([8, 9]);
  expect((await stat(file)).size).toBe(0x3000);
  memory.close();
});

test('memory that was opened for reading is not written', () => {
  const memory = open();
  expect(() => memory.write(0, Buffer.from([1]))).toThrow("The VM's memory was opened for reading.");
  memory.close();
});

test('a file that is shorter than its RAM is refused, when it is opened and later', async () => {
  const memory = open();
  await truncate(file, 0x800);
  expect(() => memory.read(0, 0x1000)).toThrow(`The VM's RAM file ${file} became shorter.`);
  memory.close();
  expect(() => open()).toThrow(
    `${file} ends before the RAM that QEMU says lies in it: 2048 bytes, 4096 wanted.`,
  );
});

test('a backend without a file, and a file that is not there, are refused by name', () => {
  expect(() => openPhysicalMemory(RANGES, new Map())).toThrow(
    'The VM has RAM in ram, which is no memory backend.',
  );
  expect(() => openPhysicalMemory(RANGES, new Map([['ram', `${file}x`]]))).toThrow(
    `The VM's RAM file ${file}x cannot be opened.`,
  );
});
