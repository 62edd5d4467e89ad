import { invalid } from './invalid.ts';
import { type ElfSection, type Relocation, type RelocationSection, SHF, SHT } from './types.ts';

const ENTRY_BYTES = 24;

/**
 * The relocations of every section. Those of debug information (not loaded) are left out: nothing reads
 * them, and they are most of a module. Order in the file is kept.
 */
export function readRelocations(
  sections: readonly ElfSection[],
  symbols: number,
  file: string,
): RelocationSection[] {
  const found: RelocationSection[] = [];
  for (const section of sections) {
    if (section.type === SHT.rel)
      throw invalid(file, `section ${section.name} holds REL relocations, which x86-64 does not have`);
    if (section.type !== SHT.rela) continue;
    const target = sections[section.info];
    if (target === undefined || section.info === 0) {
      throw invalid(file, `section ${section.name} relocates section ${section.info}, which it has not`);
    }
    if ((target.flags & SHF.alloc) === 0) continue;
    if (section.bytes.length % ENTRY_BYTES !== 0)
      throw invalid(file, `section ${section.name} ends within an entry`);
    const relocations = Array.from({ length: section.bytes.length / ENTRY_BYTES }, (_, index) =>
      relocation(section, index, target, symbols, file),
    );
    found.push({ section, target: target.index, relocations });
  }
  return found;
}

function relocation(
  section: ElfSection,
  index: number,
  target: ElfSection,
  symbols: number,
  file: string,
): Relocation {
  const at = index * ENTRY_BYTES;
  const offset = section.bytes.readBigUInt64LE(at);
  const symbol = section.bytes.readUInt32LE(at + 12);
  if (offset >= BigInt(target.size)) {
    throw invalid(file, `${section.name}[${index}] lies behind the end of section ${target.name}`);
  }
  if (symbol >= symbols)
    throw invalid(file, `${section.name}[${index}] names symbol ${symbol}, which it has not`);
  return {
    index,
    offset: Number(offset),
    type: section.bytes.readUInt32LE(at + 8),
    symbol,
    addend: section.bytes.readBigInt64LE(at + 16),
  };
}
