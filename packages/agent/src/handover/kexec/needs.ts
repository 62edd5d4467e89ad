import { access, constants, readFile } from 'node:fs/promises';
import { ExuviaError, HOST_PATHS, nicsOf, STORE_LABEL, type Vm } from '@exuvia/contract';
import { holdsVsock, type OpenImage } from '@exuvia/qemu';
import {
  blockIdentity,
  hostNetwork,
  listIfExists,
  type ModuleFile,
  type Mount,
  modulesFor,
  modulesForBlockDevice,
  modulesForNetworkDevice,
  mountAt,
  mountOf,
  mounts,
  probeBlockDevice,
  readIfExists,
} from '@exuvia/sys';
import type { HandoverDependencies } from '../dependencies.ts';
import { type DiskNeeds, diskNeeds, requireDisk } from './disk-needs.ts';
import { type EarlyNetwork, earlyNetwork, NO_NETWORK } from './early-network.ts';
import {
  type EarlyDevice,
  type EarlyGroup,
  type EarlyMount,
  HOST_INIT,
  STORE_FILE_SYSTEM,
} from './restore-plan.ts';
import { usableWatchdog } from './watchdog.ts';

/** File systems and modules without which the VMs cannot be brought back. */
export interface EarlyNeeds {
  readonly root: EarlyMount;
  readonly mounts: readonly EarlyMount[];
  readonly devices: readonly EarlyDevice[];
  readonly store: { readonly label: string; readonly path: string; readonly options: string };
  readonly network: EarlyNetwork;
  /** The CPUs that are online, as the kernel lists them. */
  readonly cpus: string;
  /** The watchdog that runs on through the jump; `null`: none. */
  readonly watchdog: string | null;
  readonly modules: readonly (ModuleFile & { readonly group: EarlyGroup })[];
}

/** File systems that exuvia-early-restore can find by their superblock (native/early-restore/devices.h). */
const SUPPORTED = new Set(['ext4', 'xfs']);
const MEMORY_FILE_SYSTEMS = new Set(['tmpfs', 'devtmpfs', 'proc', 'sysfs']);

/** Who is to be restored, and what their QEMUs have open. */
interface Restored {
  readonly vms: readonly Vm[];
  readonly images: readonly OpenImage[];
}

export async function restored(
  { vms: manager }: Pick<HandoverDependencies, 'vms'>,
  vms: readonly Vm[],
): Promise<Restored> {
  const images = await Promise.all(vms.map(({ name }) => manager.images(name)));
  return { vms, images: images.flat() };
}

/**
 * Finds out what the early restore of these VMs needs on this host under kernel `release`.
 *
 * @throws ExuviaError `root-unsupported` for a file system that the early restore cannot mount, naming it;
 *   `disk-unsupported`; `store-missing`; `module-missing`; `init-missing`.
 */
export async function earlyNeeds(release: string, { vms, images }: Restored): Promise<EarlyNeeds> {
  const table = await mounts();
  const store = mountAt(table, HOST_PATHS.store);
  if (store === null) {
    throw new ExuviaError('store-missing', `No store is mounted at ${HOST_PATHS.store}.`, {
      hint: 'Run `exuvia setup --memory SIZE` and restart the host once.',
    });
  }
  await requireInit();
  const disks = await diskNeeds(images);
  const needed = await neededMounts(vms, disks, store);
  const [rootMount, ...others] = needed;
  if (rootMount === undefined || rootMount.mountPoint !== '/') {
    throw new ExuviaError('root-unsupported', 'The root file system of this host could not be determined.');
  }
  const root = await earlyMount(rootMount);
  const mounted = await Promise.all(others.map(earlyMount));
  const devices = [...needed.map(({ device }) => device), ...disks.devices.map(({ number }) => number)];
  const drivers = await Promise.all(
    [...new Set(devices)].map((device) => modulesForBlockDevice(release, device)),
  );
  const network = await neededNetwork(vms);
  const nics = await Promise.all(network.nics.map(({ name }) => modulesForNetworkDevice(release, name)));
  // Without VMs nothing is armed.
  const watchdog = vms.length === 0 ? null : await usableWatchdog(release);
  const groups = [
    // A process each: one whose device is slow does not hold up the others. What several need is loaded by the first, with
    // which the store, the one file system that there must be, comes first.
    {
      group: 'store',
      names: [STORE_FILE_SYSTEM, 'nd_pmem', ...(await modulesForBlockDevice(release, store.device))],
    },
    { group: 'disk', names: [...drivers.flat(), ...needed.map(({ type }) => type)] },
    {
      group: 'vm',
      names: [
        await kvmModule(),
        ...(vms.some(hasVsock) ? ['vhost_vsock'] : []),
        ...(hasTaps(vms) ? ['tun', 'bridge'] : []),
      ],
    },
    { group: 'network', names: [...nics.flat(), ...(network.vlans.length > 0 ? ['8021q'] : [])] },
    { group: 'watchdog', names: watchdog?.module == null ? [] : [watchdog.module] },
  ] as const;
  const modules: EarlyNeeds['modules'][number][] = [];
  for (const { group, names } of groups) {
    for (const file of await modulesFor(release, [...new Set(names)])) {
      if (!modules.some(({ name }) => name === file.name)) modules.push({ ...file, group });
    }
  }
  return {
    modules,
    network,
    cpus: (await readFile('/sys/devices/system/cpu/online', 'utf8')).trim(),
    watchdog: watchdog?.device ?? null,
    root,
    mounts: mounted,
    devices: disks.devices.map(({ number: _, ...device }) => device),
    store: { label: STORE_LABEL, path: HOST_PATHS.store, options: optionsOf(store) },
  };
}

function hasTaps(vms: readonly Vm[]): boolean {
  return vms.some(({ spec }) => nicsOf(spec).some(({ tap }) => tap !== null));
}

async function neededNetwork(vms: readonly Vm[]): Promise<EarlyNetwork> {
  return hasTaps(vms) ? earlyNetwork(vms, await hostNetwork().links()) : NO_NETWORK;
}

/** The root file system first, then those that lie below it, the store and memory file systems left out. */
async function neededMounts(vms: readonly Vm[], disks: DiskNeeds, store: Mount): Promise<Mount[]> {
  const files = vms.flatMap(({ spec: { boot } }) =>
    'kernel' in boot ? [boot.kernel, boot.initrd ?? boot.kernel] : [boot.firmware],
  );
  const paths = ['/', '/usr', '/var', HOST_PATHS.logs, HOST_PATHS.state, ...files];
  const found = new Map<string, Mount>();
  for (const mount of [...(await Promise.all(paths.map(mountOf))), ...disks.mounts]) {
    if (mount.mountPoint === store.mountPoint || MEMORY_FILE_SYSTEMS.has(mount.type)) continue;
    found.set(mount.mountPoint, mount);
  }
  return [...found.values()].sort((a, b) => a.mountPoint.length - b.mountPoint.length);
}

/** Looked for while the VMs run: after the jump it is too late. */
async function requireInit(): Promise<void> {
  try {
    await access(HOST_INIT, constants.X_OK);
  } catch (cause) {
    throw new ExuviaError('init-missing', `This host has no ${HOST_INIT} that can be executed.`, {
      cause,
      hint: 'Install systemd-sysv, or use `--handover reboot`.',
    });
  }
}

async function earlyMount(mount: Mount): Promise<EarlyMount> {
  if (/\s/.test(mount.mountPoint)) {
    throw new ExuviaError(
      'root-unsupported',
      `The early restore cannot mount ${JSON.stringify(mount.mountPoint)}: there is a blank in its name.`,
      { hint: 'Mount it elsewhere, or use `--handover reboot` on this host.' },
    );
  }
  await requireDisk(mount.device, mount.mountPoint, 'it is on');
  const content =
    SUPPORTED.has(mount.type) && mount.root === '/' ? await probeBlockDevice(mount.source) : null;
  const uuid = content?.uuid ?? null;
  if (uuid === null) {
    throw new ExuviaError(
      'root-unsupported',
      `${mount.mountPoint} is a ${mount.type} file system on ${mount.source}, which the early restore cannot mount.`,
      {
        hint: 'It mounts ext4 and xfs on disks and partitions; use `--handover reboot` on this host.',
      },
    );
  }
  const disk = await blockIdentity(mount.device);
  return { uuid, type: mount.type, path: mount.mountPoint, options: optionsOf(mount), disk };
}

/** Mount options as they are now; `rw` and `ro` once, of the mount itself. */
function optionsOf(mount: Mount): string {
  return [...new Set([...mount.options, ...mount.superOptions])].join(',');
}

function hasVsock({ spec }: Vm): boolean {
  return spec.vsockCid !== undefined || holdsVsock(spec.extraArgs);
}

/** The module of this CPU's vendor, which the running host uses now, as part of its kernel or not. */
async function kvmModule(): Promise<string> {
  const there = await listIfExists('/sys/module');
  const cpu = (await readIfExists('/proc/cpuinfo')) ?? '';
  const name = [
    ...(/\bsvm\b/.test(cpu) ? ['kvm_amd'] : []),
    ...(/\bvmx\b/.test(cpu) ? ['kvm_intel'] : []),
  ].find((one) => there.includes(one));
  if (name !== undefined) return name;
  throw new ExuviaError('kvm-missing', 'Neither kvm_amd nor kvm_intel is loaded on this host.', {
    hint: 'Enable virtualization in the firmware and load the module.',
  });
}
