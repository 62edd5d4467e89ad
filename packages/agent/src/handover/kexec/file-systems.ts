import { type Mount, mounts } from '@exuvia/sys';
import type { EarlyNeeds } from './needs.ts';

/**
 * Types that hold data on a device: worth unmounting in order. Those of other hosts and of programs (FUSE) stay: an abort
 * could not mount them again. What the kernel has not yet written to them is synced while the VMs run.
 */
const WITH_DATA = /^(ext[234]|xfs|btrfs|vfat|exfat|ntfs3?)$/;

/** Where boot loaders have what the way back needs (Boot Loader Specification: the ESP, XBOOTLDR). */
const BOOT = ['/boot', '/boot/efi', '/efi'];

export interface Unmounted {
  readonly source: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Mounted file systems that neither the VMs nor the running system need, the deepest first. */
export async function unneededFileSystems(needs: Pick<EarlyNeeds, 'mounts' | 'store'>): Promise<Unmounted[]> {
  return selectUnneeded(await mounts(), needs);
}

/** Pure part of {@link unneededFileSystems}. */
export function selectUnneeded(
  table: readonly Mount[],
  needs: Pick<EarlyNeeds, 'mounts' | 'store'>,
): Unmounted[] {
  const needed = new Set([
    '/',
    '/usr',
    '/var',
    ...BOOT,
    needs.store.path,
    ...needs.mounts.map(({ path }) => path),
  ]);
  return table
    .filter(({ type, mountPoint, root }) => WITH_DATA.test(type) && root === '/' && !needed.has(mountPoint))
    .sort((a, b) => b.mountPoint.length - a.mountPoint.length)
    .map(({ source, mountPoint, type, options, superOptions }) => ({
      ...{ source, mountPoint, type },
      // Whether it is writable, the mount itself says: the last one counts for mount(8).
      options: [...new Set([...options, ...superOptions.filter((one) => !/^r[ow]$/.test(one))])],
    }));
}
