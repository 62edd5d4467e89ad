import { expect, test } from 'vitest';
import { parseMemoryTree } from './mtree.ts';

/** What QEMU 10.0.13 prints of a q35 with 5 GiB, shortened. */
const TREE = `FlatView #0
 AS "cpu-smm-0", root: memory
 Root memory region: memory
  0000000000000000-00000000000bffff (prio 0, ram): ram

FlatView #1
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-00000000000c2fff (prio 0, ram): ram
  00000000000c3000-00000000000e3fff (prio 0, rom): ram @00000000000c3000
  0000000000100000-000000007fffffff (prio 0, ram): ram @0000000000100000
  00000000b0000000-00000000bfffffff (prio 0, i/o): pcie-mmcfg-mmio
  0000000100000000-00000001bfffffff (prio 0, ram): ram @0000000080000000
  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios

FlatView #2
 AS "I/O", root: io
 Root memory region: io
  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan
`;

test('RAM above 4 GiB lies elsewhere in its file, and what is ROM is left out', () => {
  expect(parseMemoryTree(TREE)).toEqual([
    { start: 0, size: 0xc3000, backend: 'ram', offset: 0 },
    { start: 0x100000, size: 0x7ff00000, backend: 'ram', offset: 0x100000 },
    { start: 0x1_0000_0000, size: 0xc000_0000, backend: 'ram', offset: 0x8000_0000 },
  ]);
});

const line = (range: string) => ` AS "memory", root: system\n  ${range} (prio 0, ram): ram\n`;

test.each([
  ['nothing', '', 'it lists no address space "memory"'],
  ['a view without RAM', ' AS "memory", root: system\n', 'it lists no RAM'],
  [
    'a range that ends before it starts',
    line('0000000000002000-0000000000001000'),
    'it lists a range that ends before it starts',
  ],
  [
    'ranges that overlap',
    line('0000000000000000-0000000000001fff') + line('0000000000001000-0000000000002fff').split('\n')[1],
    'it lists ranges that overlap',
  ],
  [
    'an address that is none',
    line('0000000000000000-ffffffffffffffff'),
    'it lists the address ffffffffffffffff',
  ],
])('%s is refused', (_, text, why) => {
  expect(() => parseMemoryTree(text)).toThrow(`QEMU's map of the VM's memory is not understood: ${why}.`);
});
