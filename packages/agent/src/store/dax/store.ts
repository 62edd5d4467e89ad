import { statfs } from 'node:fs/promises';
import { type Check, ExuviaError } from '@exuvia/contract';
import { listIfExists, mountAt, type PmemDevice } from '@exuvia/sys';
import type { Store, StoreStatus } from '../../kinds.ts';
import { allocateRam, freeBytes } from './allocate.ts';
import { storeChecks } from './checks.ts';
import { type StoreHost, storeHost } from './host.ts';
import { hugeShare } from './huge-pages.ts';
import { type Layout, layoutOf } from './layout.ts';
import { deviceOf, openStore, type StoreContent, savedVms } from './open.ts';
import { completeMark, forgetMark, judgeMark, leaveMark, verdictOf } from './reset.ts';
import { finishScrubs, scrubStrangers, scrubVm } from './scrub.ts';
import { requireDax } from './verify.ts';

/** The store `dax`: VMs' memory as files of an ext4 on persistent memory, mapped directly. */
export function createDaxStore(host: StoreHost = storeHost()): Store {
  const layout = layoutOf(host.mountPoint);
  let content: StoreContent | null = null;
  let problem: ExuviaError | null = null;
  const inTurn = makeTurns();

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

  async function mountedDevice(): Promise<PmemDevice | null> {
    const mount = mountAt(await host.mounts(), host.mountPoint);
    return mount === null ? null : deviceOf(host, mount);
  }

  async function isMounted(): Promise<boolean> {
    return mountAt(await host.mounts(), host.mountPoint) !== null;
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
    open: inTurn(async () => {
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
    }),
    allocate: inTurn(async (name: string, bytes: number) => {
      await requireOpen();
      return allocateRam(layout, name, bytes);
    }),
    scrub: inTurn(async (name: string) => {
      if (await isMounted()) await scrubVm(layout, name);
    }),
    scrubOrphans: inTurn(async (keep: ReadonlySet<string>) => {
      if (!(await isMounted())) return [];
      return [...(await finishScrubs(layout)), ...(await scrubStrangers(layout, keep))];
    }),
    resets: async () => {
      const device = await mountedDevice();
      return device === null
        ? { outlives: false, reason: 'This host has no store.' }
        : verdictOf(host, device);
    },
    markForReset: inTurn(async (options: Parameters<Store['markForReset']>[0]) => {
      const device = await mountedDevice();
      if (device !== null) await leaveMark(host, layout, device, options);
    }),
    completeMark: inTurn((elsewhere: readonly string[]) => completeMark(host, layout, elsewhere)),
    judgeReset: inTurn(async (whole: boolean) => judgeMark(host, layout, await mountedDevice(), whole)),
    forgetReset: inTurn(() => forgetMark(host, layout)),
    async checks(): Promise<Check[]> {
      const mount = mountAt(await host.mounts(), host.mountPoint);
      return storeChecks({
        problem,
        content,
        mount,
        device: mount === null ? null : await deviceOf(host, mount),
        status: await status(),
        setup: await host.readSetup(),
        saved: content === 'unverified' ? await savedVms(layout) : [],
        hugeShares: mount === null ? new Map() : await hugeShares(layout, host),
      });
    },
  };
}

async function hugeShares(layout: Layout, host: StoreHost): Promise<ReadonlyMap<string, number>> {
  const shares = new Map<string, number>();
  for (const name of await listIfExists(layout.vms)) {
    const extents = await host.extents(`${layout.vms}/${name}/ram`);
    if (extents !== null) shares.set(name, hugeShare(extents));
  }
  return shares;
}

/**
 * One change of the store after the other: two that format, scrub the same tree or count on the same free
 * space would trip over one another.
 */
function makeTurns() {
  let last: Promise<unknown> = Promise.resolve();
  return <Arguments extends readonly unknown[], Result>(work: (...args: Arguments) => Promise<Result>) =>
    (...args: Arguments): Promise<Result> => {
      const turn = last.then(() => work(...args));
      last = turn.catch(() => null);
      return turn;
    };
}
