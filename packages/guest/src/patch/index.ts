export * from './kinds.ts';
export * from './pointers.ts';
export * from './read.ts';
export { isLinked, RELOCATION_NAMES } from './refusals.ts';
