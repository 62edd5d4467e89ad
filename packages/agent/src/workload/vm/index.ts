export { createHostVms, QEMU_BINARY, VM_LOGS } from './host.ts';
export { cutLogs } from './logs.ts';
