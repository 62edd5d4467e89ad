export { createHostVms, QEMU_BINARY } from './host.ts';
