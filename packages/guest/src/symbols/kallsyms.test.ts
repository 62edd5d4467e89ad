import { expect, test } from 'vitest';
import { type KallsymsLayout, type WrittenSymbol, writeKallsyms } from '../testing/kallsyms-writer.ts';
import { parseKallsyms } from './kallsyms.ts';
import { createSymbolTable } from './table.ts';

const BASE = 0xffff_ffff_9a20_0000n;
const AT = 0x1_0010;
const LAYOUTS = ['6.1', '6.12', '6.15', '7.2'] as const;

function symbols(layout: KallsymsLayout, count = 1000): WrittenSymbol[] {
  const absolute = layout === '6.1' || layout === '6.12';
  return [
    ...(absolute ? [{ name: 'cpu_tss_rw', type: 'A', value: 0x6000, absolute: true }] : []),
    { name: '_text', type: 'T', value: 0 },
    { name: '_stext', type: 'T', value: 0 },
    ...Array.from({ length: count }, (_, index) => ({
      name: index % 100 === 0 ? 'same' : `vfs_task__start_${index}`,
      type: index % 2 === 0 ? 't' : 'T',
      value: 64 * (index + 1),
    })),
    { name: `_RNv${'long'.repeat(100)}`, type: 't', value: 64 * (count + 1) },
    { name: '_end', type: 'B', value: 64 * (count + 2) },
  ];
}

/** An image with a table in it; random bytes before and behind, as rodata has them. */
function image(layout: KallsymsLayout, written = symbols(layout)): Buffer {
  const bytes = Buffer.alloc(0x4_0000);
  for (let at = 0; at < AT - 16; at++) bytes[at] = (at * 7919) % 251;
  writeKallsyms(written, layout, AT, BASE).copy(bytes, AT);
  return bytes;
}

const table = (layout: KallsymsLayout) => createSymbolTable(parseKallsyms(image(layout), BASE), BASE);

test.each(LAYOUTS)('the symbols of a kernel as %s writes them', (layout) => {
  const found = table(layout);
  expect(found.count).toBe(symbols(layout).length);
  expect(found.one('_end')).toEqual({ name: '_end', address: BASE + 64128n, type: 'B', position: 1 });
  expect(found.find('same').map(({ position, address }) => [position, address - BASE])).toEqual(
    Array.from({ length: 10 }, (_, index) => [index + 1, BigInt(64 + 6400 * index)]),
  );
  expect(found.find(`_RNv${'long'.repeat(100)}`)[0]?.address).toBe(BASE + 64064n);
});

test.each(['6.1', '6.12'] as const)('per-CPU variables of %s are absolute numbers', (layout) => {
  expect(table(layout).one('cpu_tss_rw')).toMatchObject({ address: 0x6000n, type: 'A' });
});

test('an address is given the first symbol at or below it, and what is outside none', () => {
  const found = table('6.12');
  expect(found.at(BASE)).toMatchObject({ symbol: { name: '_text' }, offset: 0, size: 64 });
  expect(found.at(BASE + 64n * 101n + 5n)).toEqual({
    symbol: { name: 'same', address: BASE + 6464n, type: 't', position: 2 },
    offset: 5,
    size: 64,
  });
  for (const outside of [0n, 0x6000n, BASE - 1n, BASE + 64128n, 2n ** 64n - 1n])
    expect(found.at(outside)).toBeNull();
});

test('a name that there is none of, or several, is refused by its name', () => {
  expect(() => table('7.2').one('nothing')).toThrow('The kernel has no symbol nothing.');
  expect(() => table('7.2').one('same')).toThrow('The kernel has 10 symbols same.');
});

test('names are found by a pattern, whatever flags it has', () => {
  const names = [...table('6.1').match(/start_99[0-2]$/g)].map(({ name }) => name);
  expect(names).toEqual(['vfs_task__start_990', 'vfs_task__start_991', 'vfs_task__start_992']);
});

/** Where the parts of an image lie, found by what they hold. */
function parts(layout: KallsymsLayout) {
  const bytes = image(layout);
  const digits = bytes.indexOf(Buffer.from('0\x001\x002\x003\x00', 'latin1'));
  const { sources } = parseKallsyms(bytes, BASE);
  return { bytes, digits, dictionary: sources[0]?.offset ?? 0, addresses: sources[1]?.offset ?? 0 };
}

const NO_DICTIONARY = 'no dictionary of tokens was found whose index agrees with it';
const NO_NAMES = 'no names were found that agree with their markers';
const NO_ADDRESSES =
  'in no known encoding do its addresses ascend and begin with _text at the start of the image';

test.each([
  [
    'a dictionary that was changed',
    ({ bytes, digits }: ReturnType<typeof parts>) => bytes.write('longer\0', digits + 20),
    NO_DICTIONARY,
  ],
  [
    'a number of symbols that is too large',
    ({ bytes, dictionary }) => bytes.writeUInt32LE(1_900_000, dictionary),
    NO_NAMES,
  ],
  [
    'a number of symbols that is too small',
    ({ bytes, dictionary }) => bytes.writeUInt32LE(3, dictionary),
    NO_NAMES,
  ],
  [
    'a name that is longer than it says',
    ({ bytes, dictionary }) => bytes.writeUInt8(0x7f, dictionary + 8),
    NO_NAMES,
  ],
  [
    'addresses that descend',
    ({ bytes, addresses }) => bytes.writeInt32LE(-5_000_000, addresses + 40),
    NO_ADDRESSES,
  ],
  [
    'an image that starts elsewhere',
    ({ bytes, addresses }) => bytes.fill(0xfe, addresses + 4, addresses + 12),
    NO_ADDRESSES,
  ],
] as [string, (of: ReturnType<typeof parts>) => unknown, string][])('%s is refused', (_, change, why) => {
  const of = parts('6.12');
  change(of);
  expect(() => parseKallsyms(of.bytes, BASE)).toThrow(`The kernel's symbol table is not understood: ${why}.`);
});

test('a name with characters that no compiler writes is refused', () => {
  const { bytes, digits } = parts('6.12');
  // The dictionary's word for the letter e.
  bytes.writeUInt8(0x1b, digits + 2 * (0x65 - 0x30));
  expect(() => parseKallsyms(bytes, BASE)).toThrow('a name is empty, too long or unprintable');
});

test('an image full of beginnings of dictionaries takes no time without an end', () => {
  const bytes = Buffer.alloc(
    0x10_0000,
    Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00', 'latin1'),
  );
  expect(() => parseKallsyms(bytes, BASE)).toThrow(NO_DICTIONARY);
});

test('an empty image has no symbols', () => {
  expect(() => parseKallsyms(Buffer.alloc(0), BASE)).toThrow(NO_DICTIONARY);
  expect(() => parseKallsyms(Buffer.alloc(4096), BASE)).toThrow(NO_DICTIONARY);
});
