export { describePatch, type PatchDescription } from './describe.ts';
export * from './kinds.ts';
export { KLP_SIZES } from './livepatch.ts';
export { isOmitted } from './omitted.ts';
export { type Pointer, type Pointers, pointersOf } from './pointers.ts';
export { readPatch } from './read.ts';
export { isLinked, RELOCATION_NAMES } from './refusals.ts';
