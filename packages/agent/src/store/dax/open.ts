import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { listIfExists, type Mount, mountAt, type PmemDevice, sizeOf } from '@exuvia/sys';
import { isFound, rangeOf, type SetupRecord } from '../../setup/index.ts';
import { chooseDevice, isAt, isTrusted } from './choose.ts';
import type { StoreHost } from './host.ts';
import { type Layout, layoutOf } from './layout.ts';
import { judgeMark } from './reset.ts';
import { requireClear, requireDax, requireKeeping, requireMemory } from './verify.ts';

/**
 * How the content came to be.
 *
 * - `kept`: it is what was there before. - `new`: the file system was made now. - `unverified`: saved VMs
 * were found after a start through firmware; neither their memory nor the file system need be whole.
 */
export type StoreContent = 'kept' | 'new' | 'unverified';

export interface OpenStore {
  readonly device: PmemDevice;
  readonly content: StoreContent;
}

/**
 * Brings the store up: takes the one that is mounted (an early restore has done that), else finds, if
 * necessary formats, and mounts it. Idempotent. `null` when the machine has none.
 *
 * @throws ExuviaError `store-*` saying why a store that there is cannot be used.
 */
export async function openStore(host: StoreHost): Promise<OpenStore | null> {
  const record = await host.readSetup();
  let content: StoreContent = 'kept';
  if (mountAt(await host.mounts(), host.mountPoint) === null) {
    // The device is there until the next reboot, but nobody wants it any more.
    if (record?.state === 'undone') return null;
    await host.loadDrivers();
    const wanted = record === null ? null : rangeOf(record);
    const devices = await host.devices();
    const probed = await Promise.all(
      devices.map(async (device) => ({ device, content: await host.probe(device) })),
    );
    const choice = chooseDevice(probed, wanted, record?.source === 'nvdimm');
    if (choice.kind === 'none') return null;
    requireClear(choice.device, await host.iomem());
    // The kernel of a jump may have been given another map, and VMs wait for their memory then.
    const isOurs = record !== null && !isFound(record);
    if (isOurs && (await host.startedByKexec()) === false)
      requireMemory(choice.device, await host.firmware());
    content =
      choice.kind === 'format' ? await makeNew(host, choice.device) : await reopen(host, choice.device);
  }
  const device = await verify(host);
  // Those that waited in it are judged when they are taken up, and with them the store.
  if (content === 'new') await judge(host, null);
  if (content === 'kept' && !(await hasSavedVms(host))) await judge(host, device);
  await host.rememberOpened();
  await mkdir(layoutOf(host.mountPoint).vms, { recursive: true, mode: 0o700 });
  if (record !== null && record.state !== 'undone') await keepRecord(host, record, device);
  return { device, content };
}

/** What setup decided on is there now; an NVDIMM may be somewhere else than it was. */
async function keepRecord(
  host: StoreHost,
  record: SetupRecord,
  { source, region }: PmemDevice,
): Promise<void> {
  if (region === null) return;
  const isThere = isAt({ source, region }, rangeOf(record));
  if (!isThere && (record.source !== 'nvdimm' || source !== 'nvdimm')) return;
  if (isThere && record.state === 'ready') return;
  const place = isThere ? record.region : { start: region.start, size: sizeOf(region) };
  await host.writeSetup({ ...record, region: place, state: 'ready' });
}

async function makeNew(host: StoreHost, device: PmemDevice): Promise<StoreContent> {
  await host.format(device);
  await host.mount(device);
  return 'new';
}

async function reopen(host: StoreHost, device: PmemDevice): Promise<StoreContent> {
  const trusted = isTrusted({
    source: device.source,
    startedByKexec: await host.startedByKexec(),
    openedInThisBoot: await host.openedInThisBoot(),
  });
  const sound = await host.check(device);
  if (trusted) {
    // Mounted even when e2fsck could not repair it all: with saved VMs in it, it is not ours to throw away.
    await host.mount(device);
    return 'kept';
  }
  if (!sound) return (await isWorthKeeping(host, device)) ? 'unverified' : makeNew(host, device);
  // One that cannot be mounted is left as it is: another kernel may be able to.
  await host.mount(device);
  if (await hasSavedVms(host)) return 'unverified';
  await judge(host, device);
  await host.unmount();
  return makeNew(host, device);
}

/**
 * Whether saved VMs lie in a file system that e2fsck could not repair. It stays mounted then: each state is sealed, and not
 * loaded unless it and its memory are whole.
 */
async function isWorthKeeping(host: StoreHost, device: PmemDevice): Promise<boolean> {
  try {
    await host.mount(device);
  } catch {
    return false;
  }
  if (await hasSavedVms(host).catch(() => false)) return true;
  await host.unmount();
  return false;
}

/** A store that cannot be judged is opened all the same; nothing is then known of it. */
async function judge(host: StoreHost, device: PmemDevice | null): Promise<void> {
  await judgeMark(host, layoutOf(host.mountPoint), device).catch(() => {});
}

async function hasSavedVms({ mountPoint }: StoreHost): Promise<boolean> {
  return (await savedVms(layoutOf(mountPoint))).length > 0;
}

/** The VMs of which a saved state lies in the store. */
export async function savedVms(layout: Layout): Promise<string[]> {
  const names = await listIfExists(layout.vms);
  const saved = await Promise.all(
    names.map(async (name) => (await listIfExists(join(layout.vms, name))).includes('device-state')),
  );
  return names.filter((_, index) => saved[index]);
}

async function verify(host: StoreHost): Promise<PmemDevice> {
  const mount = mountAt(await host.mounts(), host.mountPoint);
  if (mount === null) {
    throw new ExuviaError('store-not-mounted', `Nothing is mounted at ${host.mountPoint}.`);
  }
  const device = requireDax(mount, await deviceOf(host, mount));
  await requireKeeping(host.mountPoint);
  return device;
}

export async function deviceOf(host: StoreHost, mount: Mount): Promise<PmemDevice | null> {
  return (await host.devices()).find((device) => device.number === mount.device) ?? null;
}
