import { expect, test } from 'vitest';
import { fileExtents, q35RamRanges } from './memory-layout.ts';

const GIB = 2 ** 30;

test('five GiB lie at 0 to 2 GiB and at 4 to 7 GiB', () => {
  expect(q35RamRanges(5 * GIB)).toEqual([
    { physicalStart: 0, size: 2 * GIB, fileOffset: 0 },
    { physicalStart: 4 * GIB, size: 3 * GIB, fileOffset: 2 * GIB },
  ]);
});

test('two GiB have no hole', () => {
  expect(q35RamRanges(2 * GIB)).toEqual([{ physicalStart: 0, size: 2 * GIB, fileOffset: 0 }]);
});

test('a region above 4 GiB is found behind the low memory in the file', () => {
  expect(fileExtents(5 * GIB, 5 * GIB, 2 * GIB)).toEqual([{ offset: 3 * GIB, size: 2 * GIB }]);
});

test('a region that spans the hole has two parts, the hole none', () => {
  expect(fileExtents(5 * GIB, GIB, 4 * GIB)).toEqual([
    { offset: GIB, size: GIB },
    { offset: 2 * GIB, size: GIB },
  ]);
});

test('a region outside the memory has no part', () => {
  expect(fileExtents(5 * GIB, 8 * GIB, GIB)).toEqual([]);
});
