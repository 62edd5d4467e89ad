import { type ElfObject, invalid } from '../elf/index.ts';
import type { GuestSymbolName, PatchedFunction } from './kinds.ts';
import type { Pointers } from './pointers.ts';

export const FUNCTIONS_SECTION = '.exuvia.functions';
const SYMBOLS_SECTION = '.exuvia.symbols';
/** struct exuvia_function and struct exuvia_symbol of sdk/exuvia-patch.h. */
const RECORD_BYTES = 32;

/** The functions that a patch of our SDK replaces: records {object, name, position, replacement}. */
export function exuviaFunctions(elf: ElfObject, pointers: Pointers): PatchedFunction[] {
  return records(elf, pointers, FUNCTIONS_SECTION).map(({ section, at, describe }) => {
    const replacement = pointers.follow(section.index, at + 24);
    if (replacement?.kind !== 'section') throw invalid(elf.file, `${describe} has no replacement function`);
    return { ...guestName(elf, pointers, section.index, at, section.bytes, describe), replacement };
  });
}

/** Symbols that a patch of our SDK gives a name of its own: records {object, name, position, alias}. */
export function exuviaSymbols(elf: ElfObject, pointers: Pointers): Map<string, GuestSymbolName> {
  return new Map(
    records(elf, pointers, SYMBOLS_SECTION).map(({ section, at, describe }) => {
      const alias = pointers.string(section.index, at + 24);
      if (alias === undefined) throw invalid(elf.file, `${describe} has no alias`);
      return [alias, guestName(elf, pointers, section.index, at, section.bytes, describe)];
    }),
  );
}

function records(elf: ElfObject, pointers: Pointers, name: string) {
  const section = pointers.section(name);
  if (section === undefined) return [];
  if (section.bytes.length % RECORD_BYTES !== 0) {
    throw invalid(
      elf.file,
      `section ${name} has ${section.bytes.length} bytes, no multiple of ${RECORD_BYTES}`,
    );
  }
  return Array.from({ length: section.bytes.length / RECORD_BYTES }, (_, index) => ({
    section,
    at: index * RECORD_BYTES,
    describe: `${name}[${index}]`,
  }));
}

function guestName(
  elf: ElfObject,
  pointers: Pointers,
  section: number,
  at: number,
  bytes: Buffer,
  describe: string,
): GuestSymbolName {
  const object = pointers.string(section, at);
  const name = pointers.string(section, at + 8);
  const position = bytes.readBigUInt64LE(at + 16);
  if (object === undefined || object === '' || name === undefined || name === '') {
    throw invalid(elf.file, `${describe} names no object or no symbol`);
  }
  if (position > 0xffff_ffffn) throw invalid(elf.file, `${describe} has the position ${position}`);
  return { object, name, position: Number(position) };
}
