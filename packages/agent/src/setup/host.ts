import { ExuviaError, HOST_PATHS } from '@exuvia/contract';
import {
  type BootLoader,
  detectBootLoader,
  kernelCommandLine,
  kernelConfig,
  kernelRelease,
  listIfExists,
  loadPmemDrivers,
  mountAt,
  mounts,
  nvdimmRegions,
  pmemDevices,
  probeBlockDevice,
  readFirmwareMap,
  readIomem,
  splitCommandLine,
  unmountFileSystem,
} from '@exuvia/sys';
import type { SetupFacts } from './plan.ts';
import { readSetupRecord, type SetupRecord, writeSetupRecord } from './record.ts';

/** What setup needs of its machine. */
export interface SetupHost {
  /** Prefix of the files that are written; `/` but in tests. */
  readonly root: string;
  facts(): Promise<Omit<SetupFacts, 'record'>>;
  bootLoader(): Promise<BootLoader | null>;
  readRecord(): Promise<SetupRecord | null>;
  writeRecord(record: SetupRecord): Promise<void>;
  /** Names of the VMs whose memory lies in the store. */
  vmsInStore(): Promise<string[]>;
  unmountStore(): Promise<void>;
}

/** This machine. */
export function setupHost(): SetupHost {
  return {
    root: '/',
    async facts() {
      await requirePmemDriver();
      await loadPmemDrivers();
      const devices = await pmemDevices();
      return {
        iomem: await readIomem(),
        firmware: await readFirmwareMap(),
        devices: await Promise.all(
          devices.map(async (device) => ({ device, content: await probeBlockDevice(device.path) })),
        ),
        nvdimms: await nvdimmRegions(),
        kernelStays: splitCommandLine(await kernelCommandLine()).includes('nokaslr'),
      };
    },
    bootLoader: () => detectBootLoader(),
    readRecord: () => readSetupRecord(),
    writeRecord: (record) => writeSetupRecord(record),
    async vmsInStore() {
      if (mountAt(await mounts(), HOST_PATHS.store) === null) return [];
      return listIfExists(`${HOST_PATHS.store}/vms`);
    },
    async unmountStore() {
      if (mountAt(await mounts(), HOST_PATHS.store) !== null) await unmountFileSystem(HOST_PATHS.store);
    },
  };
}

async function requirePmemDriver(): Promise<void> {
  const config = await kernelConfig(kernelRelease());
  if (config === null || config.has('X86_PMEM_LEGACY')) return;
  throw new ExuviaError(
    'setup-impossible',
    `The running kernel ${kernelRelease()} has no emulated persistent memory (CONFIG_X86_PMEM_LEGACY).`,
    { hint: "Boot one of Debian's kernels." },
  );
}
