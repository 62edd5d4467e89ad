import { join } from 'node:path';
import { listIfExists } from '../files/read.ts';

/** An installed kernel: it has an image to load and modules to run with. */
export interface InstalledKernel {
  readonly release: string;
  readonly image: string;
  readonly modules: string;
  /** The distribution's initramfs, if it has been built. */
  readonly initrd: string | null;
}

/** Kernels with both /boot/vmlinuz-RELEASE and /lib/modules/RELEASE, oldest first. `root` is for tests. */
export async function installedKernels(root = '/'): Promise<InstalledKernel[]> {
  const [boot, modules] = await Promise.all([
    listIfExists(join(root, 'boot')),
    listIfExists(join(root, 'lib/modules')),
  ]);
  return [...modules]
    .filter((release) => boot.includes(`vmlinuz-${release}`))
    .sort(compareReleases)
    .map((release) => ({
      release,
      image: join(root, 'boot', `vmlinuz-${release}`),
      modules: join(root, 'lib/modules', release),
      initrd: boot.includes(`initrd.img-${release}`) ? join(root, 'boot', `initrd.img-${release}`) : null,
    }));
}

/** Orders kernel releases by their numbers: 6.12.9 comes before 6.12.107, and both before 7.2.1. */
export function compareReleases(a: string, b: string): number {
  return collator.compare(a, b);
}

const collator = new Intl.Collator('en', { numeric: true });
