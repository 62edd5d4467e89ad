import type { ElfSection } from '../elf/index.ts';
import { GuestError } from '../errors.ts';
import { isOmitted, type LinkTable, type PatchFile, type Pointer, type Pointers } from '../patch/index.ts';
import type { Image, ImageByte } from './image.ts';

/** An entry of one of the tables that a module brings along for its own loading. */
export interface TableEntry {
  readonly section: ElfSection;
  readonly index: number;
  /** Offset of the entry in the section. */
  readonly at: number;
}

/** The tables of a patch, read through its relocations. */
export interface Tables {
  /** Entries of all sections that hold this table, `stride` bytes each. */
  entries(table: LinkTable, stride: number): readonly TableEntry[];
  /** The place in the image that a field of an entry points to. */
  target(entry: TableEntry, field: number): ImageByte;
  /** Where a field points, in or out of the patch. */
  pointer(entry: TableEntry, field: number): Pointer | undefined;
  sections(table: LinkTable): readonly ElfSection[];
}

/** The error for an entry of a table that cannot be honoured. */
export function refuseEntry({ section, index }: TableEntry, why: string): never {
  throw new GuestError(
    'patch-table',
    `Entry ${section.name}[${index}] of the patch cannot be honoured: ${why}.`,
  );
}

export function tablesOf(patch: PatchFile, pointers: Pointers, image: Image): Tables {
  const sections = (table: LinkTable) =>
    patch.sections.flatMap(({ index, role }) => {
      const section = patch.elf.sections[index];
      return section !== undefined && role.kind === 'link' && role.table === table ? [section] : [];
    });
  return {
    sections,
    entries: (table, stride) =>
      sections(table)
        .flatMap((section) => entriesOf(section, stride))
        .filter((entry) => !isAboutUnused(patch, pointers, entry)),
    pointer: ({ section, at }, field) => pointers.follow(section.index, at + field),
    target(entry, field) {
      const pointer = pointers.follow(entry.section.index, entry.at + field);
      const byte = pointer?.kind === 'section' ? image.at(pointer) : null;
      return byte ?? refuseEntry(entry, 'it points to nothing that is put into the guest');
    },
  };
}

/** A module's own initialisation is left out, and so are the entries about it. */
function isAboutUnused(patch: PatchFile, pointers: Pointers, { section, at }: TableEntry): boolean {
  const first = pointers.follow(section.index, at);
  if (first?.kind !== 'section') return false;
  return patch.sections[first.section]?.role.kind === 'unused' || isOmitted(patch.omitted, first);
}

function entriesOf(section: ElfSection, stride: number): TableEntry[] {
  if (section.bytes.length % stride !== 0) {
    throw new GuestError(
      'patch-table',
      `Section ${section.name} of the patch has ${section.bytes.length} bytes, no multiple of ${stride}.`,
    );
  }
  return Array.from({ length: section.bytes.length / stride }, (_, index) => ({
    section,
    index,
    at: index * stride,
  }));
}
