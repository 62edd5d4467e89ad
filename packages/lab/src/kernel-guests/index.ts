export { type GuestFile, guestFile } from './files.ts';
export { KERNEL_NAMES, type Kernel, type KernelName } from './kernels.ts';
export { FINEBEAT_OFFSET, type KernelGuest, type KernelGuestOptions, startKernelGuest } from './start.ts';
