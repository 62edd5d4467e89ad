import { detectBootLoader, kernelRelease } from '@exuvia/sys';

/** Makes a kernel the boot loader's default, but only once it runs: one that does not come up must not be it. */
export async function makeDefault(release: string): Promise<void> {
  if (kernelRelease() !== release) return;
  await (await detectBootLoader())?.setDefaultKernel(release);
}

/** Takes back the choice for one boot. Most boot loaders have forgotten it by themselves; GRUB on LVM or RAID cannot. */
export async function forgetNextKernel(): Promise<void> {
  await (await detectBootLoader())?.clearNextKernel();
}
