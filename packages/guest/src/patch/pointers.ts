import type { ElfObject, ElfSection, ElfSymbol, Relocation } from '../elf/index.ts';

/** Where a relocated field of the file points. */
export type Pointer =
  | { readonly kind: 'section'; readonly section: number; readonly offset: number }
  | { readonly kind: 'symbol'; readonly symbol: ElfSymbol; readonly addend: bigint };

/** Follows the pointers that a patch file's sections hold: relocations, seen from where they lie. */
export interface Pointers {
  /** The relocation at an offset of a section; undefined: the field is plain data. */
  at(section: number, offset: number): Relocation | undefined;
  /** Offsets of a section that hold relocations, in file order. */
  offsets(section: number): readonly number[];
  /** Where a 64-bit field (R_X86_64_64) or a field relative to itself (R_X86_64_PC32) points; undefined: nowhere. */
  follow(section: number, offset: number): Pointer | undefined;
  /** The NUL-terminated string that a field points to; undefined: it points to none. */
  string(section: number, offset: number): string | undefined;
  /** Section of this name; the first where there are several. */
  section(name: string): ElfSection | undefined;
}

export function pointersOf(elf: ElfObject): Pointers {
  const byTarget = new Map<number, Map<number, Relocation>>();
  for (const { target, relocations } of elf.relocations) {
    const known = byTarget.get(target) ?? new Map<number, Relocation>();
    for (const relocation of relocations) known.set(relocation.offset, relocation);
    byTarget.set(target, known);
  }
  const at = (section: number, offset: number) => byTarget.get(section)?.get(offset);
  const follow = (section: number, offset: number) => {
    const relocation = at(section, offset);
    return relocation === undefined ? undefined : targetOf(elf, relocation);
  };
  return {
    at,
    follow,
    offsets: (section) => [...(byTarget.get(section)?.keys() ?? [])],
    string(section, offset) {
      const pointer = follow(section, offset);
      if (pointer?.kind !== 'section') return undefined;
      const bytes = elf.sections[pointer.section]?.bytes ?? Buffer.alloc(0);
      const end = pointer.offset < bytes.length ? bytes.indexOf(0, pointer.offset) : -1;
      return end < 0 ? undefined : bytes.toString('latin1', pointer.offset, end);
    },
    section: (name) => elf.sections.find((section) => section.name === name),
  };
}

/** Where a data relocation points: its symbol's place plus the addend. */
function targetOf(elf: ElfObject, relocation: Relocation): Pointer | undefined {
  const symbol = elf.symbols[relocation.symbol];
  if (symbol === undefined) return undefined;
  if (symbol.place.kind !== 'section') return { kind: 'symbol', symbol, addend: relocation.addend };
  const offset = symbol.value + relocation.addend;
  const size = elf.sections[symbol.place.section]?.size ?? 0;
  if (offset < 0n || offset > BigInt(size)) return undefined;
  return { kind: 'section', section: symbol.place.section, offset: Number(offset) };
}
