import { invalid } from './invalid.ts';
import { readRelocations } from './relocations.ts';
import { readSections } from './sections.ts';
import { readSymbols } from './symbols.ts';
import type { ElfObject } from './types.ts';

/** No patch comes near it; a larger file is refused before anything is read out of it. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const HEADER_BYTES = 64;
const ET_REL = 1;
const EM_X86_64 = 62;

/**
 * Reads a relocatable x86-64 ELF file. The file is not trusted: every offset, length, index and name is
 * checked against the file before it is used, and the work is linear in the file's size.
 *
 * @throws GuestError `patch-elf-invalid` that names the file and what is wrong in it.
 */
export function readElf(bytes: Buffer, file: string): ElfObject {
  if (bytes.length > MAX_FILE_BYTES) {
    throw invalid(file, `it has ${bytes.length} bytes; more than ${MAX_FILE_BYTES} are not read`);
  }
  checkHeader(bytes, file);
  const sections = readSections(bytes, file);
  const symbols = readSymbols(sections, file);
  return { file, sections, symbols, relocations: readRelocations(sections, symbols.length, file) };
}

function checkHeader(bytes: Buffer, file: string): void {
  if (bytes.length < HEADER_BYTES) throw invalid(file, `${bytes.length} bytes are too few for an ELF header`);
  if (bytes.readUInt32BE(0) !== 0x7f45_4c46) throw invalid(file, 'it does not begin with the ELF magic');
  if (bytes[4] !== 2 || bytes[5] !== 1) throw invalid(file, 'it is not a 64-bit little-endian ELF file');
  const type = bytes.readUInt16LE(16);
  if (type !== ET_REL) throw invalid(file, `its ELF type is ${type}, not ${ET_REL} (relocatable)`);
  const machine = bytes.readUInt16LE(18);
  if (machine !== EM_X86_64) throw invalid(file, `its machine is ${machine}, not ${EM_X86_64} (x86-64)`);
  const entry = bytes.readUInt16LE(58);
  if (entry !== 64) throw invalid(file, `its section headers have ${entry} bytes, not 64`);
}
