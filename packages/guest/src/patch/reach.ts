import type { ElfObject } from '../elf/index.ts';
import type { PatchedFunction, SectionRole } from './kinds.ts';
import type { Pointers } from './pointers.ts';

/**
 * The sections that the replacement functions need: theirs, and what those refer to, directly or not. A
 * module also brings along what its own initialisation uses, which a patch from outside never runs.
 */
export function reachedSections(
  elf: ElfObject,
  roles: readonly SectionRole[],
  functions: readonly PatchedFunction[],
  pointers: Pointers,
): ReadonlySet<number> {
  const reached = new Set<number>();
  const waiting = functions.map(({ replacement }) => replacement.section);
  const wanted = outgoing(elf);
  const replacements = alternativesOf(elf, roles, pointers);
  for (let section = waiting.pop(); section !== undefined; section = waiting.pop()) {
    if (reached.has(section)) continue;
    reached.add(section);
    waiting.push(...(wanted.get(section) ?? []), ...(replacements.get(section) ?? []));
  }
  return reached;
}

/** By section: those that its relocations name. */
function outgoing(elf: ElfObject): Map<number, Set<number>> {
  const named = new Map<number, Set<number>>();
  for (const { target, relocations } of elf.relocations) {
    const sections = named.get(target) ?? new Set<number>();
    for (const { symbol } of relocations) {
      const place = elf.symbols[symbol]?.place;
      if (place?.kind === 'section') sections.add(place.section);
    }
    named.set(target, sections);
  }
  return named;
}

/** By section of code: those that hold replacements for some of its instructions. */
function alternativesOf(
  elf: ElfObject,
  roles: readonly SectionRole[],
  pointers: Pointers,
): Map<number, Set<number>> {
  const found = new Map<number, Set<number>>();
  for (const { index } of elf.sections) {
    const role = roles[index];
    if (role?.kind !== 'link' || role.table !== 'alternatives') continue;
    // Pointers come in pairs: to the instruction, to its replacement.
    const targets = pointers.offsets(index).map((offset) => pointers.follow(index, offset));
    const sections = targets.flatMap((target) => (target?.kind === 'section' ? [target.section] : []));
    const code = sections.filter((section) => roles[section]?.kind === 'code');
    const others = sections.filter((section) => roles[section]?.kind === 'link');
    for (const section of code) {
      const known = found.get(section) ?? new Set<number>();
      for (const other of others) known.add(other);
      found.set(section, known);
    }
  }
  return found;
}
