/** Section flags of ELF (System V gABI, chapter 4; livepatch: include/uapi/linux/elf.h). */
export const SHF = {
  write: 0x1,
  alloc: 0x2,
  exec: 0x4,
  tls: 0x400,
  compressed: 0x800,
  livepatch: 0x0010_0000,
} as const;

export const SHT = {
  null: 0,
  progbits: 1,
  symtab: 2,
  strtab: 3,
  rela: 4,
  note: 7,
  nobits: 8,
  rel: 9,
  initArray: 14,
  finiArray: 15,
  symtabIndices: 18,
} as const;

/** Where a symbol lies. `livepatch`: named by the symbol itself (SHN_LIVEPATCH, 0xff20). */
export type SymbolPlace =
  | { readonly kind: 'undefined' }
  | { readonly kind: 'section'; readonly section: number }
  | { readonly kind: 'absolute' }
  | { readonly kind: 'livepatch' }
  | { readonly kind: 'other'; readonly index: number };

export type SymbolBinding = 'local' | 'global' | 'weak' | 'other';
export type SymbolType = 'none' | 'object' | 'function' | 'section' | 'file' | 'other';

export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  readonly place: SymbolPlace;
  readonly binding: SymbolBinding;
  readonly type: SymbolType;
  /** Offset into its section, or the value of an absolute symbol. */
  readonly value: bigint;
  readonly size: number;
}

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly size: number;
  readonly alignment: number;
  /** `sh_link` and `sh_info` as they are. */
  readonly link: number;
  readonly info: number;
  /** Its bytes in the file; empty for one that takes none there (`nobits`). */
  readonly bytes: Buffer;
}

export interface Relocation {
  /** In its section, from 0. */
  readonly index: number;
  /** Offset into the section that it changes. */
  readonly offset: number;
  /** R_X86_64_... */
  readonly type: number;
  readonly symbol: number;
  readonly addend: bigint;
}

/** The relocations of one section, in file order. */
export interface RelocationSection {
  /** The section that holds them. */
  readonly section: ElfSection;
  /** The section that they change. */
  readonly target: number;
  readonly relocations: readonly Relocation[];
}

/** A relocatable x86-64 object (`.o`, `.ko`), all of whose offsets, indices and names have been checked. */
export interface ElfObject {
  /** What the file is called in messages. */
  readonly file: string;
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  readonly relocations: readonly RelocationSection[];
}
