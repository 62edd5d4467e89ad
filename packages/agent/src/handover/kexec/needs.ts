import { ExuviaError, HOST_PATHS, nicsOf, STORE_LABEL, type Vm } from '@exuvia/contract';
import {
  hostNetwork,
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
import { type EarlyNetwork, earlyNetwork, NO_NETWORK } from './early-network.ts';
import type { EarlyMount } from './restore-plan.ts';

/** File systems and modules without which the VMs cannot be brought back. */
export interface EarlyNeeds {
  readonly root: EarlyMount;
  readonly mounts: readonly EarlyMount[];
  readonly store: { readonly label: string; readonly path: string; readonly options: string };
  readonly network: EarlyNetwork;
  readonly modules: readonly (ModuleFile & { readonly group: 'vm' | 'disk' | 'network' })[];
}

/** File systems that exuvia-early-restore can find by their superblock (native/early-restore/devices.h). */
const SUPPORTED = new Set(['ext4', 'xfs', 'btrfs']);
const MEMORY_FILE_SYSTEMS = new Set(['tmpfs', 'devtmpfs', 'proc', 'sysfs']);

/**
 * Finds out what the early restore of these VMs needs on this host under kernel `release`.
 *
 * @throws ExuviaError `root-unsupported` for a file system that the early restore cannot mount, naming it;
 *   `store-missing`; `module-missing`.
 */
export async function earlyNeeds(release: string, vms: readonly Vm[]): Promise<EarlyNeeds> {
  const table = await mounts();
  const store = mountAt(table, HOST_PATHS.store);
  if (store === null) {
    throw new ExuviaError('store-missing', `No store is mounted at ${HOST_PATHS.store}.`, {
      hint: 'Run `exuvia setup --memory SIZE` and restart the host once.',
    });
  }
  const needed = await neededMounts(vms, store);
  const [rootMount, ...others] = needed;
  if (rootMount === undefined || rootMount.mountPoint !== '/') {
    throw new ExuviaError('root-unsupported', 'The root file system of this host could not be determined.');
  }
  const disks = await Promise.all(needed.map((mount) => modulesForBlockDevice(release, mount.device)));
  const network = await neededNetwork(vms);
  const nics = await Promise.all(network.nics.map(({ name }) => modulesForNetworkDevice(release, name)));
  const groups = [
    // The store first: its device takes longest to appear, and loading kvm would hold up its modules.
    {
      group: 'vm',
      names: [
        'nd_pmem',
        ...(await modulesForBlockDevice(release, store.device)),
        await kvmModule(),
        ...(hasTaps(vms) ? ['tun', 'bridge'] : []),
      ],
    },
    { group: 'disk', names: [...disks.flat(), ...needed.map(({ type }) => type)] },
    { group: 'network', names: [...nics.flat(), ...(network.vlans.length > 0 ? ['8021q'] : [])] },
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
    root: await earlyMount(rootMount),
    mounts: await Promise.all(others.map(earlyMount)),
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
async function neededMounts(vms: readonly Vm[], store: Mount): Promise<Mount[]> {
  const files = vms.flatMap(({ spec }) => [
    ...spec.disks.map(({ file }) => file),
    ...('kernel' in spec.boot
      ? [spec.boot.kernel, spec.boot.initrd ?? spec.boot.kernel]
      : [spec.boot.firmware]),
  ]);
  const found = new Map<string, Mount>();
  for (const path of ['/', '/usr', '/var', HOST_PATHS.logs, HOST_PATHS.state, ...files]) {
    const mount = await mountOf(path);
    if (mount.mountPoint === store.mountPoint || MEMORY_FILE_SYSTEMS.has(mount.type)) continue;
    found.set(mount.mountPoint, mount);
  }
  return [...found.values()].sort((a, b) => a.mountPoint.length - b.mountPoint.length);
}

async function earlyMount(mount: Mount): Promise<EarlyMount> {
  const content =
    SUPPORTED.has(mount.type) && mount.root === '/' ? await probeBlockDevice(mount.source) : null;
  const uuid = content?.uuid ?? null;
  if (uuid === null) {
    throw new ExuviaError(
      'root-unsupported',
      `${mount.mountPoint} is a ${mount.type} file system on ${mount.source}, which the early restore cannot mount.`,
      {
        hint: 'It mounts ext4, xfs and btrfs on disks and partitions; use `--handover reboot` on this host.',
      },
    );
  }
  return { uuid, type: mount.type, path: mount.mountPoint, options: optionsOf(mount) };
}

/** Mount options as they are now; `rw` and `ro` once, of the mount itself. */
function optionsOf(mount: Mount): string {
  return [...new Set([...mount.options, ...mount.superOptions])].join(',');
}

/** The module of this CPU's vendor, which the running host uses now. */
async function kvmModule(): Promise<string> {
  const loaded = (await readIfExists('/proc/modules')) ?? '';
  const name = /^(kvm_amd|kvm_intel) /m.exec(loaded)?.[1];
  if (name !== undefined) return name;
  throw new ExuviaError('kvm-missing', 'Neither kvm_amd nor kvm_intel is loaded on this host.', {
    hint: 'Enable virtualization in the firmware and load the module.',
  });
}
