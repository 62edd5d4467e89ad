import type { GuestSymbolName, PatchFile, PatchKind } from './kinds.ts';
import { isLinked } from './refusals.ts';

/** What a patch file holds, as a plain document. */
export interface PatchDescription {
  readonly file: string;
  readonly kind: PatchKind;
  readonly name: string;
  readonly release: string;
  /** It takes the place of the patches applied before. */
  readonly replaces: boolean;
  readonly functions: readonly GuestSymbolName[];
  /** Symbols of the guest that it uses. */
  readonly needs: readonly GuestSymbolName[];
  /** `use`: put into the guest, read while linking, left out, or refused. */
  readonly sections: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly use: 'loaded' | 'linked' | 'left out' | 'refused';
    readonly why: string | null;
  }[];
  readonly acceptable: boolean;
  readonly refusals: PatchFile['refusals'];
}

/** What a patch replaces, what it needs, what happens to each of its sections, and what makes it unacceptable. */
export function describePatch(patch: PatchFile): PatchDescription {
  const { file, kind, name, release, replaces, functions, needs, sections, refusals } = patch;
  const refused = new Set(refusals.map(({ section }) => section));
  return {
    ...{ file, kind, name, release, replaces },
    functions: functions.map(({ object, name, position }) => ({ object, name, position })),
    needs: [...new Map([...needs.values()].map((need) => [JSON.stringify(need), need])).values()],
    sections: sections
      .filter(({ role }) => !(role.kind === 'unused' && BORING.has(role.why)))
      .map((section) => ({
        name: section.name,
        bytes: section.bytes,
        use: refused.has(section.name) ? 'refused' : useOf(section),
        why: 'why' in section.role ? section.role.why : null,
      })),
    acceptable: refusals.length === 0,
    refusals,
  };
}

/** Nothing that anybody would miss. */
const BORING: ReadonlySet<string> = new Set(['part of the file format', 'not loaded', 'empty']);

function useOf(section: PatchFile['sections'][number]): PatchDescription['sections'][number]['use'] {
  if (section.role.kind === 'link') return 'linked';
  if (isLinked(section)) return 'loaded';
  return section.role.kind === 'refused' ? 'refused' : 'left out';
}
