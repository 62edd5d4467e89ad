export type { Finding, PatchState, PatchStatus, SwitchReport } from './kinds.ts';
export { lookAtPatches, type SeenPatch } from './look.ts';
export { GUEST_STATE, type OpenOptions, openPatches } from './open.ts';
export type { Patches } from './patches.ts';
export type { Straggler } from './watch.ts';
