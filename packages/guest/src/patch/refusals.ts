import type { ElfObject } from '../elf/index.ts';
import type { PatchFile, PatchSection, Refusal, RefusedTable } from './kinds.ts';
import { isOmitted } from './omitted.ts';
import type { Pointers } from './pointers.ts';

/** The relocations of x86-64 kernel code (arch/x86/kernel/module.c); modules have no others. */
export const RELOCATION_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'R_X86_64_NONE'],
  [1, 'R_X86_64_64'],
  [2, 'R_X86_64_PC32'],
  [4, 'R_X86_64_PLT32'],
  [10, 'R_X86_64_32'],
  [11, 'R_X86_64_32S'],
  [24, 'R_X86_64_PC64'],
]);

type Unjudged = Pick<PatchFile, 'elf' | 'sections' | 'omitted'>;

/** Everything in a patch file that cannot be honoured, in the order of the file. */
export function refusalsOf(patch: Unjudged, pointers: Pointers): Refusal[] {
  return [
    ...refusedSections(patch),
    ...patch.sections.flatMap((section) => refusedEntries(patch, section, pointers)),
    ...refusedRelocations(patch),
  ];
}

/** True for a section that is put into the guest, or whose bytes are copied into one that is. */
export function isLinked(section: PatchSection | undefined): boolean {
  const role = section?.role;
  if (role === undefined) return false;
  if (role.kind === 'link') return role.table === 'replacements';
  return role.kind === 'code' || role.kind === 'rodata' || role.kind === 'data';
}

function refusedSections({ sections }: Unjudged): Refusal[] {
  return sections.flatMap(({ name, role }) =>
    role.kind === 'refused' ? [{ section: name, index: null, why: role.why }] : [],
  );
}

/** How long an entry is; `bug_entry` grew in Linux 6.19, but points to code once. */
const ENTRY_BYTES: Readonly<Record<RefusedTable, number | null>> = {
  exceptions: 12,
  jumpLabels: 16,
  callbacks: 16,
  bugs: null,
};

/** Entries about code that is put into the guest. Those about the module's own initialisation mean nothing here. */
function refusedEntries(
  { elf, sections, omitted }: Unjudged,
  section: PatchSection,
  pointers: Pointers,
): Refusal[] {
  const { role, index, name } = section;
  if (role.kind !== 'entries') return [];
  const refused = new Map<number, string>();
  let ordinal = 0;
  for (const offset of pointers.offsets(index)) {
    const target = pointers.follow(index, offset);
    if (target?.kind !== 'section') continue;
    const code = isOmitted(omitted, target) ? 'unused' : sections[target.section]?.role.kind;
    if (role.table !== 'callbacks' && code !== 'code' && code !== 'link') continue;
    const bytes = ENTRY_BYTES[role.table];
    const entry = bytes === null ? ordinal : Math.floor(offset / bytes);
    ordinal += 1;
    if (!refused.has(entry)) refused.set(entry, role.why + key(role.table, index, entry, elf, pointers));
  }
  return [...refused].map(([entry, why]) => ({ section: name, index: entry, why }));
}

/** The name of the static key that a jump label depends on. */
function key(
  table: RefusedTable,
  section: number,
  entry: number,
  elf: ElfObject,
  pointers: Pointers,
): string {
  if (table !== 'jumpLabels') return '';
  const relocation = pointers.at(section, entry * 16 + 8);
  const name = relocation === undefined ? undefined : elf.symbols[relocation.symbol]?.name;
  return name === undefined ? '' : ` (${name})`;
}

function refusedRelocations({ elf, sections }: Unjudged): Refusal[] {
  const refusals: Refusal[] = [];
  for (const { section, target, relocations } of elf.relocations) {
    if (!isLinked(sections[target])) continue;
    for (const { index, type, symbol } of relocations) {
      const why = RELOCATION_NAMES.has(type)
        ? refusedSymbol(elf, sections, symbol)
        : `relocations of type ${type} are not known in a kernel`;
      if (why !== null) refusals.push({ section: section.name, index, why });
    }
  }
  return refusals;
}

function refusedSymbol(elf: ElfObject, sections: readonly PatchSection[], index: number): string | null {
  const symbol = elf.symbols[index];
  if (symbol === undefined || index === 0) return null;
  if (symbol.type === 'other') return `symbol ${symbol.name} is of a kind that a kernel does not have`;
  if (symbol.binding === 'weak' && symbol.place.kind === 'undefined') {
    return `symbol ${symbol.name} is weak and undefined`;
  }
  if (symbol.place.kind === 'other') return `symbol ${symbol.name} is a common symbol`;
  if (symbol.place.kind !== 'section') return null;
  const section = sections[symbol.place.section];
  if (section === undefined || isLinked(section)) return null;
  if (section.role.kind === 'unusable') return `it uses section ${section.name}: ${section.role.why}`;
  return `it uses section ${section.name}, which is not put into the guest`;
}
