import { expect, test } from 'vitest';
import { formatPmemMemmap, parseKernelSize, parseMemmap } from './memmap.ts';

const GIB = 2 ** 30;

test('every kind of memmap is read', () => {
  expect(parseMemmap('2G!5G')).toEqual([{ kind: 'pmem', start: 5 * GIB, end: 7 * GIB }]);
  expect(parseMemmap('64K$0x18690000,1M#0xc0000000,10m@1g')).toEqual([
    { kind: 'reserved', start: 0x18690000, end: 0x186a0000 },
    { kind: 'acpi', start: 0xc0000000, end: 0xc0100000 },
    { kind: 'ram', start: GIB, end: GIB + 10 * 2 ** 20 },
  ]);
  expect(parseMemmap('exactmap')).toEqual([{ kind: 'other', text: 'exactmap' }]);
  expect(parseMemmap('1G%4G-7+12')).toEqual([{ kind: 'other', text: '1G%4G-7+12' }]);
  expect(parseMemmap('!4G')).toEqual([{ kind: 'other', text: '!4G' }]);
});

test('a region is written with the largest unit and reads back', () => {
  const region = { start: 5 * GIB + 128 * 2 ** 20, end: 7 * GIB };
  expect(formatPmemMemmap(region)).toBe('1920M!5248M');
  expect(parseMemmap(formatPmemMemmap(region))).toEqual([{ kind: 'pmem', ...region }]);
  expect(formatPmemMemmap({ start: 4096, end: 8192 })).toBe('0x1000!0x1000');
});

test('numbers are those of the kernel', () => {
  expect(parseKernelSize('0x10k')).toBe(16384);
  expect(parseKernelSize('010')).toBe(8);
  expect(parseKernelSize('1T')).toBe(2 ** 40);
  expect(parseKernelSize('0')).toBe(0);
  expect(parseKernelSize('1.5G')).toBeNull();
  expect(parseKernelSize('')).toBeNull();
});
