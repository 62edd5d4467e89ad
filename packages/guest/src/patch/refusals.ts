import type { PatchFile, PatchSection, Refusal } from './kinds.ts';
import type { Pointers } from './pointers.ts';

/** The relocations of x86-64 kernel code (arch/x86/include/asm/elf.h); modules have no others. */
export const RELOCATION_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'R_X86_64_NONE'],
  [1, 'R_X86_64_64'],
  [2, 'R_X86_64_PC32'],
  [4, 'R_X86_64_PLT32'],
  [10, 'R_X86_64_32'],
  [11, 'R_X86_64_32S'],
  [24, 'R_X86_64_PC64'],
]);

/** Everything in a patch file that cannot be honoured, in the order of the file. */
export function refusalsOf(patch: Omit<PatchFile, 'refusals'>, _pointers: Pointers): Refusal[] {
  return [...refusedSections(patch), ...refusedRelocations(patch)];
}

/** True for a section that is put into the guest, or whose bytes are copied into one that is. */
export function isLinked(section: PatchSection | undefined): boolean {
  const role = section?.role;
  if (role === undefined) return false;
  return role.kind === 'link'
    ? role.table === 'replacements'
    : role.kind !== 'unused' && role.kind !== 'refused';
}

function refusedSections({ sections }: Omit<PatchFile, 'refusals'>): Refusal[] {
  return sections.flatMap(({ name, role }) =>
    role.kind === 'refused' ? [{ section: name, index: null, why: role.why }] : [],
  );
}

function refusedRelocations({ elf, sections }: Omit<PatchFile, 'refusals'>): Refusal[] {
  const refusals: Refusal[] = [];
  for (const { section, target, relocations } of elf.relocations) {
    if (!isLinked(sections[target])) continue;
    for (const [index, { type, symbol }] of relocations.entries()) {
      const why = RELOCATION_NAMES.has(type)
        ? refusedSymbol(elf, sections, symbol)
        : `relocations of type ${type} are not known in a kernel`;
      if (why !== null) refusals.push({ section: section.name, index, why });
    }
  }
  return refusals;
}

function refusedSymbol(
  elf: PatchFile['elf'],
  sections: readonly PatchSection[],
  index: number,
): string | null {
  const symbol = elf.symbols[index];
  if (symbol === undefined || index === 0) return null;
  if (symbol.type === 'other') return `symbol ${symbol.name} is of a kind that a kernel does not have`;
  if (symbol.binding === 'weak' && symbol.place.kind === 'undefined') {
    return `symbol ${symbol.name} is weak and undefined`;
  }
  if (symbol.place.kind === 'other') return `symbol ${symbol.name} is a common symbol`;
  if (symbol.place.kind !== 'section') return null;
  const section = sections[symbol.place.section];
  if (isLinked(section)) return null;
  return `it points into section ${section?.name ?? symbol.place.section}, which is not put into the guest`;
}
