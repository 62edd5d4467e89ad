export type { VmDependencies, VmLog } from './dependencies.ts';
export { createHostVms, QEMU_BINARY } from './host.ts';
export { type Instance, instanceSchema } from './instance.ts';
export { QemuVms } from './manager.ts';
export { type Scopes, startProgram, systemdScopes } from './scopes.ts';
