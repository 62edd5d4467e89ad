export * from './errors.ts';
export type * from './kinds.ts';
