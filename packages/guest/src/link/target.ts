import type { GuestKernel, SymbolTable } from '../kinds.ts';

/** What the linker wants to know of a guest. */
export interface LinkTarget extends Pick<GuestKernel, 'release' | 'symbols' | 'space' | 'types'> {
  /** Symbols of a loaded module; null: it is not loaded. Missing: modules cannot be looked into. */
  moduleSymbols?(object: string): SymbolTable | null;
}
