import { type Mount, mounts } from '@exuvia/sys';
import type { EarlyNeeds } from './needs.ts';

/** Types that hold data on a device or another host: worth unmounting in order. */
const WITH_DATA = /^(ext[234]|xfs|btrfs|vfat|exfat|ntfs3?|nfs4?|cifs|ceph|fuse\..*|fuseblk|9p|virtiofs)$/;

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
    '/boot',
    needs.store.path,
    ...needs.mounts.map(({ path }) => path),
  ]);
  return table
    .filter(({ type, mountPoint, root }) => WITH_DATA.test(type) && root === '/' && !needed.has(mountPoint))
    .sort((a, b) => b.mountPoint.length - a.mountPoint.length)
    .map(({ source, mountPoint, type, options }) => ({ source, mountPoint, type, options }));
}
