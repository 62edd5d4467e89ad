import { invalid } from './invalid.ts';
import { stringAt } from './strings.ts';
import {
  type ElfSection,
  type ElfSymbol,
  SHT,
  type SymbolBinding,
  type SymbolPlace,
  type SymbolType,
} from './types.ts';

const ENTRY_BYTES = 24;
const SHN_ABS = 0xfff1;
const SHN_XINDEX = 0xffff;
/** include/uapi/linux/elf.h; a symbol that livepatch resolves by its name. */
const SHN_LIVEPATCH = 0xff20;
const SHN_LORESERVE = 0xff00;

const BINDINGS: readonly SymbolBinding[] = ['local', 'global', 'weak'];
const TYPES: readonly SymbolType[] = ['none', 'object', 'function', 'section', 'file'];

/** The symbol table; empty where there is none. */
export function readSymbols(sections: readonly ElfSection[], file: string): ElfSymbol[] {
  const tables = sections.filter((section) => section.type === SHT.symtab);
  if (tables.length > 1) throw invalid(file, 'it has more than one symbol table');
  const table = tables[0];
  if (table === undefined) return [];
  if (table.bytes.length % ENTRY_BYTES !== 0) throw invalid(file, 'its symbol table ends within an entry');
  const names = sections[table.link];
  if (names?.type !== SHT.strtab)
    throw invalid(file, `its symbol names are in section ${table.link}, which is no string table`);
  const indices = sections.find(
    (section) => section.type === SHT.symtabIndices && section.link === table.index,
  )?.bytes;
  return Array.from({ length: table.bytes.length / ENTRY_BYTES }, (_, index) =>
    symbol(index, table.bytes, names.bytes, indices, sections, file),
  );
}

function symbol(
  index: number,
  table: Buffer,
  names: Buffer,
  indices: Buffer | undefined,
  sections: readonly ElfSection[],
  file: string,
): ElfSymbol {
  const at = index * ENTRY_BYTES;
  const info = table.readUInt8(at + 4);
  const type = TYPES[info & 0xf] ?? 'other';
  const size = table.readBigUInt64LE(at + 16);
  const place = placeOf(table.readUInt16LE(at + 6), index, indices, file);
  const section = place.kind === 'section' ? sections[place.section] : undefined;
  if (place.kind === 'section' && section === undefined) {
    throw invalid(file, `symbol ${index} lies in section ${place.section}, which it has not`);
  }
  const named = stringAt(names, table.readUInt32LE(at), file, `the name of symbol ${index}`);
  const value = table.readBigUInt64LE(at + 8);
  if (section !== undefined && value + size > BigInt(section.size)) {
    throw invalid(file, `symbol ${index} (${named}) ends behind the end of section ${section.name}`);
  }
  return {
    index,
    name: type === 'section' && named === '' ? (section?.name ?? '') : named,
    place,
    binding: BINDINGS[info >> 4] ?? 'other',
    type,
    value,
    // Of an undefined or absolute symbol the size is of no use; what is not a sane number is not one.
    size: size <= 0xffff_ffffn ? Number(size) : 0,
  };
}

function placeOf(index: number, symbol: number, indices: Buffer | undefined, file: string): SymbolPlace {
  if (index === 0) return { kind: 'undefined' };
  if (index === SHN_ABS) return { kind: 'absolute' };
  if (index === SHN_LIVEPATCH) return { kind: 'livepatch' };
  if (index === SHN_XINDEX) {
    if (indices === undefined || symbol * 4 + 4 > indices.length) {
      throw invalid(file, `symbol ${symbol} has no section index`);
    }
    return { kind: 'section', section: indices.readUInt32LE(symbol * 4) };
  }
  return index < SHN_LORESERVE ? { kind: 'section', section: index } : { kind: 'other', index };
}
