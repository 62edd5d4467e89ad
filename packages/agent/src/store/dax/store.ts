import { statfs } from 'node:fs/promises';
import { type Check, ExuviaError } from '@exuvia/contract';
import { mountAt } from '@exuvia/sys';
import type { Store, StoreStatus } from '../../kinds.ts';
import { allocateRam, freeBytes } from './allocate.ts';
import { storeChecks } from './checks.ts';
import { type StoreHost, storeHost } from './host.ts';
import { layoutOf } from './layout.ts';
import { deviceOf, openStore, type StoreContent } from './open.ts';
import { finishScrubs, scrubStrangers, scrubVm } from './scrub.ts';
import { requireDax } from './verify.ts';

/** The store `dax`: VMs' memory as files of an ext4 on persistent memory, mapped directly. */
export function createDaxStore(host: StoreHost = storeHost()): Store {
  const layout = layoutOf(host.mountPoint);
  let content: StoreContent | null = null;
  let problem: ExuviaError | null = null;

  async function status(): Promise<StoreStatus | null> {
    const mount = mountAt(await host.mounts(), host.mountPoint);
    if (mount === null) return null;
    const device = await deviceOf(host, mount);
    const { blocks, bsize } = await statfs(host.mountPoint);
    return {
      kind: 'dax',
      device: mount.source,
      mountPoint: host.mountPoint,
      physicalStart: device?.region?.start ?? null,
      sizeBytes: blocks * bsize,
      freeBytes: await freeBytes(layout),
    };
  }

  /** Without this, VMs' memory would end up on the root file system below the empty mount point. */
  async function requireOpen(): Promise<void> {
    const mount = mountAt(await host.mounts(), host.mountPoint);
    if (mount === null) {
      throw new ExuviaError('store-missing', 'This host has no store for the memory of VMs.', {
        hint: problem?.message ?? 'Set one up: exuvia setup --memory SIZE',
      });
    }
    requireDax(mount, await deviceOf(host, mount));
  }

  return {
    kind: 'dax',
    status,
    async open() {
      try {
        problem = null;
        const opened = await openStore(host);
        // A second call finds it mounted: what the first one learned stays true.
        content = content === null || opened === null ? (opened?.content ?? null) : content;
        return await status();
      } catch (error) {
        problem = error instanceof ExuviaError ? error : null;
        throw error;
      }
    },
    async allocate(name, bytes) {
      await requireOpen();
      return allocateRam(layout, name, bytes);
    },
    async scrub(name) {
      if (mountAt(await host.mounts(), host.mountPoint) === null) return;
      await scrubVm(layout, name);
    },
    async scrubOrphans(keep) {
      if (mountAt(await host.mounts(), host.mountPoint) === null) return [];
      return [...(await finishScrubs(layout)), ...(await scrubStrangers(layout, keep))];
    },
    async checks(): Promise<Check[]> {
      const mount = mountAt(await host.mounts(), host.mountPoint);
      return storeChecks({
        problem,
        content,
        mount,
        device: mount === null ? null : await deviceOf(host, mount),
        status: await status(),
        setup: await host.readSetup(),
      });
    },
  };
}
