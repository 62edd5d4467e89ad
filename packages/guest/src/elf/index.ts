export * from './invalid.ts';
export * from './reader.ts';
export * from './types.ts';
