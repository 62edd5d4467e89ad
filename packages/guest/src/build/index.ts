export { type BuildOptions, buildPatch } from './build.ts';
