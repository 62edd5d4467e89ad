import { expect, test } from 'vitest';
import { BtfWriter } from '../testing/btf-writer.ts';
import { testTypes } from '../testing/test-types.ts';
import { parseBtf } from '../types/btf.ts';
import { orcFormat } from './orc-format.ts';
import { openOrc, verifyOrc } from './orc-table.ts';

const KERNEL_6_12 = parseBtf(testTypes());
const KERNEL_6_1 = parseBtf(testTypes({ orcEnd: true }));

type Raw = [stackOffset: number, frameOffset: number, fields: number];

/** Entries of real kernels: sp_offset, bp_offset, fields. */
const ENTRIES: Readonly<
  Record<string, { first: number[]; call: Raw; pushed: Raw; regs: Raw; indirect: Raw }>
> = {
  'before-7.1': {
    first: [5, 5],
    call: [8, 0, 0x205],
    pushed: [16, -16, 0x215],
    regs: [0, 0, 0xb05],
    indirect: [0, 0, 0x209],
  },
  'since-7.1': {
    first: [3, 3],
    call: [8, 0, 0x203],
    pushed: [16, -16, 0x283],
    regs: [0, 0, 0xb03],
    indirect: [0, 0, 0x209],
  },
};

test.each(Object.entries(ENTRIES))('entries with the register numbers of %s', (numbering, entries) => {
  const { first, call, pushed, regs, indirect } = entries;
  const format = orcFormat(KERNEL_6_12, first);
  expect(format.numbering).toBe(numbering);
  expect(format.decode(...call)).toEqual({
    kind: 'call',
    stackBase: 'sp',
    stackOffset: 8,
    frameBase: 'undefined',
    frameOffset: 0,
    signal: false,
  });
  expect(format.decode(...pushed)).toMatchObject({
    kind: 'call',
    stackOffset: 16,
    frameBase: 'previous-sp',
    frameOffset: -16,
  });
  expect(format.decode(...regs)).toMatchObject({ kind: 'regs', stackBase: 'sp', signal: true });
  expect(format.decode(...indirect)).toMatchObject({ kind: 'call', stackBase: 'sp-indirect' });
  expect(format.decode(0, 0, 0x100)).toMatchObject({ kind: 'end' });
  expect(format.decode(0, 0, 0)).toMatchObject({ kind: 'undefined' });
});

test('up to 6.3 a bit says where stacks end, and what was interrupted follows from the kind', () => {
  const format = orcFormat(KERNEL_6_1, [5]);
  expect(format.decode(8, 0, 0x005)).toMatchObject({ kind: 'call', signal: false });
  expect(format.decode(0, 0, 0x105)).toMatchObject({ kind: 'regs', signal: true });
  expect(format.decode(0, 0, 0x205)).toMatchObject({ kind: 'regs-partial', signal: true });
  expect(format.decode(0, 0, 0x800)).toMatchObject({ kind: 'end' });
  expect(format.decode(0, 0, 0x000)).toMatchObject({ kind: 'undefined' });
});

test('an entry with a register or a kind that there is none of is not understood', () => {
  const format = orcFormat(KERNEL_6_12, [5]);
  expect(format.decode(8, 0, 0x20e)).toBeNull();
  expect(format.decode(8, 0, 0x2f5)).toBeNull();
  expect(format.decode(8, 0, 0x705)).toBeNull();
});

test('a numbering that is none, or that functions do not agree on, is refused', () => {
  const message = (registers: string) =>
    `The kernel's unwind tables (ORC) are not understood: the numbers of their registers are unknown (${registers} for RSP).`;
  expect(() => orcFormat(KERNEL_6_12, [7, 7])).toThrow(message('7, 7'));
  expect(() => orcFormat(KERNEL_6_12, [5, 3])).toThrow(message('5, 3'));
  expect(() => orcFormat(KERNEL_6_12, [])).toThrow(message(''));
});

test('a struct orc_entry of another shape is refused by the member that moved', () => {
  const writer = new BtfWriter();
  const short = writer.int('short', 2, { signed: true });
  writer.struct('orc_entry', 8, [
    { name: 'sp_offset', type: short, at: 0 },
    { name: 'bp_offset', type: short, at: 4 },
  ]);
  expect(() => orcFormat(parseBtf(writer.end()), [5])).toThrow('orc_entry.bp_offset is elsewhere');
});

function table(places: readonly number[]) {
  const ips = Buffer.alloc(4 * places.length);
  const entries = Buffer.alloc(6 * places.length);
  places.forEach((place, index) => {
    ips.writeInt32LE(place - 4 * index, 4 * index);
    entries.writeInt16LE(index, 6 * index);
  });
  return { ips, entries };
}

test('an entry holds from its place to the next one', () => {
  const { ips, entries } = table([-4096, -4000, -4000, -10, 5000]);
  verifyOrc(ips, entries);
  const found = openOrc(ips, entries, 0);
  const at = (place: number) => found.rawAt(place)?.stackOffset ?? null;
  expect([-4097, -4096, -4001, -4000, -11, -10, 4999, 2 ** 40].map(at)).toEqual([null, 0, 0, 2, 2, 3, 3, 4]);
  expect(openOrc(Buffer.alloc(0), Buffer.alloc(0), 0).rawAt(5)).toBeNull();
});

test('a table that does not ascend, or whose parts do not belong together, is refused', () => {
  const { ips, entries } = table([10, 20, 15]);
  expect(() => verifyOrc(ips, entries)).toThrow('its address 2 is below the one before it');
  expect(() => verifyOrc(ips, entries.subarray(6))).toThrow(
    '12 bytes of addresses and 12 of entries do not belong together',
  );
  expect(() => verifyOrc(ips.subarray(1), entries)).toThrow('11 bytes of addresses');
});
