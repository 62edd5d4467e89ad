import { expect, test } from 'vitest';
import { GuestError } from '../errors.ts';
import { assemble, patchText } from '../testing/assemble.ts';
import { readElf } from './reader.ts';

const object = await assemble(patchText('call outside\n  ret'));
const header = (change: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.from(object);
  change(bytes);
  return bytes;
};
/** Offset in the file of the header of the section of a name. */
const sectionAt = (name: string): number => {
  const section = readElf(object, 'a.o').sections.find((one) => one.name === name);
  return Number(object.readBigUInt64LE(40)) + 64 * (section?.index ?? 0);
};
const message = (bytes: Buffer): string => {
  try {
    readElf(bytes, 'a.o');
  } catch (error) {
    if (error instanceof GuestError && error.code === 'patch-elf-invalid') return error.message;
    throw error;
  }
  return 'no error';
};

test('sections, symbols and relocations of an object are read', () => {
  const elf = readElf(object, 'a.o');
  const text = elf.sections.find(({ name }) => name === '.text');
  expect(text).toMatchObject({ size: 6, flags: 6, type: 1 });
  expect(text?.bytes.toString('hex')).toBe('e800000000c3');
  expect(elf.symbols.find(({ name }) => name === 'new_function')).toMatchObject({
    place: { kind: 'section', section: text?.index },
    binding: 'global',
    type: 'function',
    value: 0n,
    size: 6,
  });
  expect(elf.symbols.find(({ name }) => name === 'outside')?.place).toEqual({ kind: 'undefined' });
  const [first] = elf.relocations.filter(({ target }) => target === text?.index);
  expect(first?.section.name).toBe('.rela.text');
  expect(first?.relocations).toMatchObject([{ index: 0, offset: 1, type: 4, addend: -4n }]);
});

test.each([
  ['too short', Buffer.from('7f454c46', 'hex'), '4 bytes are too few for an ELF header'],
  ['no magic', header((bytes) => bytes.writeUInt8(0, 0)), 'it does not begin with the ELF magic'],
  ['32 bit', header((bytes) => bytes.writeUInt8(1, 4)), 'it is not a 64-bit little-endian ELF file'],
  ['a program', header((bytes) => bytes.writeUInt16LE(2, 16)), 'its ELF type is 2, not 1 (relocatable)'],
  ['another machine', header((bytes) => bytes.writeUInt16LE(183, 18)), 'its machine is 183, not 62 (x86-64)'],
  [
    'section headers behind the end',
    header((bytes) => bytes.writeBigUInt64LE(BigInt(object.length - 64), 40)),
    `its ${object.readUInt16LE(60)} section headers end behind the end of the file`,
  ],
  [
    'a section behind the end',
    header((bytes) => bytes.writeBigUInt64LE(0x10_0000n, sectionAt('.text') + 24)),
    'section 1 ends behind the end of the file',
  ],
  [
    'a section of 2^60 bytes',
    header((bytes) => bytes.writeBigUInt64LE(1n << 60n, sectionAt('.text') + 32)),
    'the size of section 1 is 0x1000000000000000',
  ],
  [
    'an absurd alignment',
    header((bytes) => bytes.writeBigUInt64LE(3n, sectionAt('.text') + 48)),
    'section 1 asks for an alignment of 3 bytes',
  ],
  [
    'relocations of no section',
    header((bytes) => bytes.writeUInt32LE(999, sectionAt('.rela.text') + 44)),
    'section .rela.text relocates section 999, which it has not',
  ],
  [
    'a relocation behind its section',
    header((bytes) => {
      const at = Number(bytes.readBigUInt64LE(sectionAt('.rela.text') + 24));
      bytes.writeBigUInt64LE(6n, at);
    }),
    '.rela.text[0] lies behind the end of section .text',
  ],
  [
    'a relocation against no symbol',
    header((bytes) => {
      const at = Number(bytes.readBigUInt64LE(sectionAt('.rela.text') + 24));
      bytes.writeUInt32LE(0xffff, at + 12);
    }),
    '.rela.text[0] names symbol 65535, which it has not',
  ],
  [
    'symbol names that have no end',
    header((bytes) => {
      const at = sectionAt('.strtab');
      bytes.writeBigUInt64LE(2n, at + 32);
    }),
    'the name of symbol 2 has no end',
  ],
])('a file is refused: %s', (_, bytes, what) => {
  expect(message(bytes)).toContain(what);
  expect(message(bytes)).toMatch(/^a\.o is not a usable patch file: /);
});
