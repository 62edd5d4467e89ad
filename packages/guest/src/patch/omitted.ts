import { type ElfObject, invalid } from '../elf/index.ts';
import type { SectionOffset, SectionRange } from './kinds.ts';

/** What module_init and module_exit name a module's own functions. */
const ENTRIES: ReadonlySet<string> = new Set(['init_module', 'cleanup_module']);

/** Functions of a module that only the kernel's module loader would call, wherever they lie. */
export function omittedRanges(elf: ElfObject): SectionRange[] {
  const ranges = elf.symbols.flatMap(({ name, place, value, size }) =>
    ENTRIES.has(name) && place.kind === 'section'
      ? [{ section: place.section, start: Number(value), end: Number(value) + size }]
      : [],
  );
  if (ranges.length > ENTRIES.size)
    throw invalid(elf.file, 'it has more than one init_module or cleanup_module');
  return ranges;
}

export function isOmitted(omitted: readonly SectionRange[], { section, offset }: SectionOffset): boolean {
  return omitted.some((range) => range.section === section && offset >= range.start && offset < range.end);
}

/** The object without the relocations of what is omitted. */
export function withoutOmitted(elf: ElfObject, omitted: readonly SectionRange[]): ElfObject {
  const relocations = elf.relocations.map(({ relocations: all, ...list }) => ({
    ...list,
    relocations: all.filter(({ offset }) => !isOmitted(omitted, { section: list.target, offset })),
  }));
  return { ...elf, relocations };
}
