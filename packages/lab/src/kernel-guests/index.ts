export { KERNEL_NAMES, type KernelName } from './kernels.ts';
export { FINEBEAT_OFFSET, type KernelGuest, type KernelGuestOptions, startKernelGuest } from './start.ts';
