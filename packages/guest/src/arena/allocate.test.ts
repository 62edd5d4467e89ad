import { expect, test } from 'vitest';
import { allocate } from './allocate.ts';

const ROOM = [
  { address: 0x1040n, length: 0x100 },
  { address: 0x8000n, length: 0x1000 },
];

test('the first place that is large enough is taken, at the start of a cache line', () => {
  expect(allocate('code', ROOM, [], 0x100)).toBe(0x1040n);
  expect(allocate('code', [{ address: 0x1001n, length: 0x100 }], [], 0x40)).toBe(0x1040n);
  expect(allocate('code', ROOM, [], 0x101)).toBe(0x8000n);
});

test('what is taken is gone around, and gaps are used again', () => {
  const taken = [
    { address: 0x1080n, length: 1 },
    { address: 0x1040n, length: 0x20 },
  ];
  expect(allocate('code', ROOM, taken, 0x40)).toBe(0x10c0n);
  expect(allocate('code', ROOM, taken.slice(0, 1), 0x40)).toBe(0x1040n);
  expect(allocate('code', ROOM, taken, 0x100)).toBe(0x8000n);
});

test('a patch for which there is no room is refused with the numbers', () => {
  expect(() => allocate('data', ROOM, [{ address: 0x8000n, length: 0x800 }], 0x801)).toThrow(
    expect.objectContaining({
      code: 'guest-arena-full',
      message:
        'The patch has 2049 bytes of data, for which no room is left in the guest (4352 bytes, 1 patches).',
    }),
  );
});
