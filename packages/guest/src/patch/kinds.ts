import type { ElfObject } from '../elf/index.ts';

/**
 * Who made a patch file: our SDK, somebody by hand (`struct klp_patch`), kpatch-build (kpatch 0.9), or
 * klp-build (in the kernel's own tree since 6.19).
 */
export type PatchKind = 'exuvia' | 'livepatch' | 'kpatch-build' | 'klp-build';

/** A symbol of the guest. `position` counts the symbols of this name from 1; 0: it must be the only one. */
export interface GuestSymbolName {
  /** `vmlinux` or a module's name. */
  readonly object: string;
  readonly name: string;
  readonly position: number;
}

/** A byte in a section of the patch file. */
export interface SectionOffset {
  readonly section: number;
  readonly offset: number;
}

/** Bytes of a section. */
export interface SectionRange {
  readonly section: number;
  readonly start: number;
  readonly end: number;
}

/** A function of the guest and what the patch puts in its place. */
export interface PatchedFunction extends GuestSymbolName {
  readonly replacement: SectionOffset;
}

/** Something in a patch file that cannot be honoured. */
export interface Refusal {
  readonly section: string;
  /** Which entry or relocation of the section, from 0; null when the section as a whole is meant. */
  readonly index: number | null;
  readonly why: string;
}

/** What happens to a section. */
export type SectionRole =
  /** Put into the guest. */
  | { readonly kind: 'code' | 'rodata' | 'data' }
  /** Read while linking, not put into the guest. */
  | { readonly kind: 'link'; readonly table: LinkTable }
  /** Left out; `why` says why nothing is lost. */
  | { readonly kind: 'unused'; readonly why: string }
  /** Its entries about code that is put into the guest are refused, each for `why`. */
  | { readonly kind: 'entries'; readonly table: RefusedTable; readonly why: string }
  /** Refused when a replacement function uses it. */
  | { readonly kind: 'unusable'; readonly why: string }
  /** Refused when it is there. */
  | { readonly kind: 'refused'; readonly why: string };

/** Tables whose entries would have to be registered with the guest. */
export type RefusedTable = 'bugs' | 'exceptions' | 'jumpLabels' | 'callbacks';

/** Tables that the kernel's own module loader works through (arch/x86/kernel/module.c, module_finalize). */
export type LinkTable =
  | 'alternatives'
  | 'replacements'
  | 'returns'
  | 'retpolines'
  | 'calls'
  | 'endbr'
  | 'fentry'
  | 'locks'
  | 'paravirt'
  | 'staticCalls'
  | 'orc'
  | 'orcAddresses';

export interface PatchSection {
  readonly index: number;
  readonly name: string;
  readonly bytes: number;
  readonly role: SectionRole;
}

/** A patch file, read and judged; nothing of a guest has been looked at yet. */
export interface PatchFile {
  readonly file: string;
  readonly kind: PatchKind;
  readonly name: string;
  /** The kernel release that it was built for (the first word of its vermagic). */
  readonly release: string;
  /** Without the relocations of `omitted`. */
  readonly elf: ElfObject;
  /** Functions of the module that are not put into the guest: its own initialisation. */
  readonly omitted: readonly SectionRange[];
  readonly sections: readonly PatchSection[];
  readonly functions: readonly PatchedFunction[];
  /** It is meant to take the place of all patches applied before (`replace` of struct klp_patch). */
  readonly replaces: boolean;
  /** What an undefined or livepatch symbol of the file stands for in the guest, by symbol index. */
  readonly needs: ReadonlyMap<number, GuestSymbolName>;
  /** Empty: the patch can be linked. */
  readonly refusals: readonly Refusal[];
}
