import { expect, test } from 'vitest';
import { testMemory } from '../testing/memory.ts';
import { pageTables } from '../testing/page-tables.ts';
import { createAddressSpace } from './address-space.ts';

const KERNEL = 0xffff_ffff_8000_0000n;

function space(levels: 4 | 5 = 4) {
  const bytes = Buffer.alloc(0x80_0000);
  let free = 0x1000;
  const allocate = () => (free += 0x1000);
  const tables = pageTables(bytes, levels, 0x1000, allocate);
  const memory = testMemory(bytes);
  return { bytes, memory, tables, space: createAddressSpace(memory, 0x1000, levels) };
}

test.each([4, 5] as const)('small and large pages are found through %d levels', (levels) => {
  const { tables, space: found } = space(levels);
  tables.map(KERNEL, 0x40_0000, { large: true });
  tables.map(KERNEL + 0x20_0000n, 0x5000, { flags: 1n | (1n << 63n) });
  expect(found.translate(KERNEL + 0x1234n)).toEqual({
    physical: 0x40_1234,
    pageBytes: 0x20_0000,
    writable: true,
    executable: true,
  });
  expect(found.translate(KERNEL + 0x20_0007n)).toEqual({
    physical: 0x5007,
    pageBytes: 4096,
    writable: false,
    executable: false,
  });
  expect(found.translate(KERNEL + 0x20_1000n)).toBeNull();
});

test('an address that no processor accepts is not mapped', () => {
  const { tables, space: found } = space();
  tables.map(0n, 0x5000);
  expect(found.translate(1n << 48n)).toBeNull();
  expect(found.translate(0xffff_0000_0000_0000n)).toBeNull();
  expect(found.translate(0n)?.physical).toBe(0x5000);
});

test('a read goes over pages, and stops at the first that is not mapped', () => {
  const { bytes, tables, space: found } = space();
  tables.map(KERNEL, 0x50_0000);
  tables.map(KERNEL + 0x1000n, 0x60_0000);
  bytes.write('over', 0x50_0ffc);
  bytes.write('pages', 0x60_0000);
  expect(found.read(KERNEL + 0xffcn, 9).toString()).toBe('overpages');
  expect(() => found.read(KERNEL + 0xffcn, 0x1005)).toThrow(
    'Kernel address 0xffffffff80002000 is not mapped.',
  );
});

test('a write over pages of which one is not mapped writes nothing', () => {
  const { bytes, tables, space: found } = space();
  tables.map(KERNEL, 0x50_0000);
  expect(() => found.write(KERNEL + 0xffen, Buffer.from('abcd'))).toThrow(
    'Kernel address 0xffffffff80001000 is not mapped.',
  );
  expect(bytes.readUInt16LE(0x50_0ffe)).toBe(0);
  found.write(KERNEL + 0xffcn, Buffer.from('abcd'));
  expect(bytes.toString('latin1', 0x50_0ffc, 0x50_1000)).toBe('abcd');
});

test('tables that refer to themselves end after as many steps as there are levels', () => {
  const { bytes, memory, space: found } = space();
  for (let at = 0; at < 4096; at += 8) bytes.writeBigUInt64LE(0x1003n, 0x1000 + at);
  const before = memory.reads();
  expect(found.translate(KERNEL)?.physical).toBe(0x1000);
  expect(memory.reads() - before).toBe(4);
});

test('a table outside of RAM is named', () => {
  const { bytes, space: found } = space();
  bytes.writeBigUInt64LE(0x00ff_0000_0000_1003n, 0x1000 + 511 * 8);
  expect(() => found.translate(KERNEL)).toThrow(
    'The page table for 0xffffffff80000000 lies at 0xf000000001ff0, which is not RAM.',
  );
});

test('a read beyond all bounds is refused before anything is allocated', () => {
  expect(() => space().space.read(KERNEL, 2 ** 40)).toThrow(
    'A read of 1099511627776 bytes of guest memory is refused.',
  );
});
