import { kernelGuestInitramfs } from '../../src/kernel-guests/files.ts';
import { KERNEL_NAMES } from '../../src/kernel-guests/index.ts';
import { testBed } from './bed.ts';

/** Fetches and builds what all tests share, before they run side by side. */
export async function setup(): Promise<void> {
  const { kernels } = await testBed();
  for (const name of KERNEL_NAMES) await kernelGuestInitramfs(kernels, kernels.kernels[name]);
}
