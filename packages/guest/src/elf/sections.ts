import { hex } from '../support/hex.ts';
import { invalid } from './invalid.ts';
import { stringAt } from './strings.ts';
import { type ElfSection, SHT } from './types.ts';

const ENTRY_BYTES = 64;
const SHN_LORESERVE = 0xff00;
const SHN_XINDEX = 0xffff;
/** More than any kernel module built with -ffunction-sections has. */
const MAX_SECTIONS = 65_536;
/** What a section may take in memory without taking it in the file (`.bss`). */
const MAX_SECTION_BYTES = 64 * 1024 * 1024;
const MAX_ALIGNMENT = 4096;

/** The section headers with their names and contents; everything checked against the file's size. */
export function readSections(bytes: Buffer, file: string): ElfSection[] {
  const table = number(bytes, 40, file, 'the section header offset');
  const { count, names } = counts(bytes, table, file);
  if (table + count * ENTRY_BYTES > bytes.length) {
    throw invalid(file, `its ${count} section headers end behind the end of the file`);
  }
  const raw = Array.from({ length: count }, (_, index) =>
    header(bytes, table + index * ENTRY_BYTES, index, file),
  );
  const nameSection = raw[names];
  if (nameSection === undefined)
    throw invalid(file, `its section names are in section ${names}, which it has not`);
  const nameBytes = content(bytes, nameSection, file);
  return raw.map(({ nameOffset, offset, ...section }) => ({
    ...section,
    name: stringAt(nameBytes, nameOffset, file, `the name of section ${section.index}`),
    bytes: content(bytes, { ...section, nameOffset, offset }, file),
  }));
}

interface RawSection extends Omit<ElfSection, 'name' | 'bytes'> {
  readonly nameOffset: number;
  readonly offset: number;
}

/** Large counts are in section 0's own header (gABI: e_shnum 0, e_shstrndx SHN_XINDEX). */
function counts(bytes: Buffer, table: number, file: string): { count: number; names: number } {
  let count = bytes.readUInt16LE(60);
  let names = bytes.readUInt16LE(62);
  if (count === 0 || names === SHN_XINDEX) {
    if (table === 0 || table + ENTRY_BYTES > bytes.length) throw invalid(file, 'it has no section headers');
    if (count === 0) count = number(bytes, table + 32, file, 'the number of sections');
    if (names === SHN_XINDEX) names = bytes.readUInt32LE(table + 40);
  } else if (count >= SHN_LORESERVE) {
    throw invalid(file, `it claims ${count} sections in a field that holds fewer`);
  }
  if (count > MAX_SECTIONS) throw invalid(file, `it has ${count} sections; at most ${MAX_SECTIONS} are read`);
  return { count, names };
}

function header(bytes: Buffer, at: number, index: number, file: string): RawSection {
  const of = (what: string) => `${what} of section ${index}`;
  const section: RawSection = {
    index,
    nameOffset: bytes.readUInt32LE(at),
    type: bytes.readUInt32LE(at + 4),
    flags: number(bytes, at + 8, file, of('the flags')),
    offset: number(bytes, at + 24, file, of('the offset')),
    size: number(bytes, at + 32, file, of('the size')),
    link: bytes.readUInt32LE(at + 40),
    info: bytes.readUInt32LE(at + 44),
    alignment: Math.max(1, number(bytes, at + 48, file, of('the alignment'))),
  };
  if (section.size > MAX_SECTION_BYTES) {
    throw invalid(file, `section ${index} has ${section.size} bytes; at most ${MAX_SECTION_BYTES} are read`);
  }
  if (section.alignment > MAX_ALIGNMENT || (section.alignment & (section.alignment - 1)) !== 0) {
    throw invalid(file, `section ${index} asks for an alignment of ${section.alignment} bytes`);
  }
  return section;
}

function content(bytes: Buffer, section: RawSection, file: string): Buffer {
  if (section.type === SHT.nobits || section.type === SHT.null) return Buffer.alloc(0);
  if (section.offset + section.size > bytes.length) {
    throw invalid(file, `section ${section.index} ends behind the end of the file`);
  }
  return bytes.subarray(section.offset, section.offset + section.size);
}

/** A 64-bit field that has to fit a JavaScript number. */
function number(bytes: Buffer, at: number, file: string, what: string): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(file, `${what} is ${hex(value)}`);
  return Number(value);
}
