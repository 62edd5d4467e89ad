import { expect, test } from 'vitest';
import { ramFileOffset } from './arguments.ts';

const GIB = 2 ** 30;

test.each([
  ['below the hole', 5 * GIB, 0x1000, 0x1000],
  ['above the hole of a large machine', 5 * GIB, 4 * GIB, 2 * GIB],
  ['at the end of a large machine', 5 * GIB, 7 * GIB - 4096, 5 * GIB - 4096],
  ['in a machine without memory above 4 GiB', GIB, GIB - 4096, GIB - 4096],
  ['at the first size that is split', 0xb000_0000, 4 * GIB, 2 * GIB],
])('an address %s is found in the RAM file', (_, memoryBytes, address, offset) => {
  expect(ramFileOffset(memoryBytes, address)).toBe(offset);
});
