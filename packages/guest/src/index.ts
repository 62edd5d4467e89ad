export * from './attach/attach.ts';
export * from './attach/measure.ts';
export * from './build/index.ts';
export * from './errors.ts';
export type * from './kinds.ts';
export * from './link/index.ts';
export * from './machine/index.ts';
export * from './patch/index.ts';
