import { type ElfSection, invalid } from '../elf/index.ts';
import type { LinkSizes } from '../kinds.ts';
import type { PatchFile } from '../patch/index.ts';
import { alignUp } from '../support/align.ts';

/** Where a section of the patch lies within one of the linker's buffers. */
interface PlacedSection {
  readonly section: ElfSection;
  readonly region: Region;
  readonly offset: number;
}

/**
 * `code` and `data` go into the guest. `spare` lies behind `code` while linking and goes nowhere:
 * replacement instructions are relocated there and copied from there.
 */
export type Region = 'code' | 'data' | 'spare';

export interface Layout extends LinkSizes {
  readonly spareBytes: number;
  /** By section index. */
  readonly placed: ReadonlyMap<number, PlacedSection>;
  /** Offset of the room for indirect branch thunks behind the code (`THUNK_BYTES` each); it counts as code. */
  readonly thunks: number;
}

/** A cache line a thunk: it lies in the line's upper half (Indirect Target Selection, Linux 6.15). */
export const THUNK_BYTES = 64;
const REGISTERS = 16;
/** More than a guest has room for. */
const MAX_REGION_BYTES = 16 * 1024 * 1024;
/** Both regions begin at such a boundary, so that an offset is as aligned as its address. */
export const PLACE_ALIGNMENT = 64;

/** Lays a patch out: executable, then read-only sections as code, then writable ones as data. */
export function layoutOf(patch: PatchFile): Layout {
  const placed = new Map<number, PlacedSection>();
  const ends: Record<Region, number> = { code: 0, data: 0, spare: 0 };
  const place = (region: Region, matches: (kind: string, table?: string) => boolean) => {
    for (const { index, role } of patch.sections) {
      const section = patch.elf.sections[index];
      if (section === undefined || !matches(role.kind, role.kind === 'link' ? role.table : undefined))
        continue;
      const offset = alignUp(ends[region], section.alignment);
      placed.set(index, { section, region, offset });
      ends[region] = offset + section.size;
    }
  };
  place('code', (kind) => kind === 'code');
  const thunks = alignUp(ends.code, THUNK_BYTES);
  if (patch.sections.some(({ role }) => role.kind === 'link' && role.table === 'retpolines')) {
    ends.code = thunks + REGISTERS * THUNK_BYTES;
  }
  place('code', (kind) => kind === 'rodata');
  place('data', (kind) => kind === 'data');
  place('spare', (_, table) => table === 'replacements');
  for (const [region, bytes] of Object.entries(ends)) {
    if (bytes > MAX_REGION_BYTES) {
      throw invalid(
        patch.file,
        `it wants ${bytes} bytes of ${region}; at most ${MAX_REGION_BYTES} are given`,
      );
    }
  }
  return { placed, thunks, codeBytes: ends.code, dataBytes: ends.data, spareBytes: ends.spare };
}
