import { join } from 'node:path';
import { listIfExists, readIfExists } from '../files/read.ts';
import type { MemoryRange } from '../memory/range.ts';
import { run } from '../process/run.ts';

/** A block device on persistent memory. */
export interface PmemDevice {
  /** `pmem0`. */
  readonly name: string;
  /** `/dev/pmem0`. */
  readonly path: string;
  /** MAJOR:MINOR. */
  readonly number: string;
  readonly sizeBytes: number;
  /** Physical addresses of the namespace; `null` when the kernel does not say. */
  readonly region: MemoryRange | null;
  /** `emulated`: RAM set aside by `memmap=` or a type-12 range; it forgets at power off. */
  readonly source: 'emulated' | 'nvdimm';
  /** The device can be mapped directly. An NVDIMM in raw mode cannot. */
  readonly dax: boolean;
  readonly readOnly: boolean;
}

/** Drivers of emulated persistent memory and of NVDIMMs; a kernel that lacks one simply has no such device. */
const MODULES = ['nd_pmem', 'nd_e820', 'nfit'];

/**
 * Loads the drivers of persistent memory and waits until they have found what there is. Devices of nd_e820
 * do not announce themselves to udev: somebody has to load it.
 */
export async function loadPmemDrivers(): Promise<void> {
  for (const module of MODULES) await run('modprobe', ['-q', module], { allowFailure: true });
  const buses = (await listIfExists('/sys/bus/nd/devices')).filter((name) => name.startsWith('ndbus'));
  // Reading wait_probe returns when the bus has probed all its devices (drivers/nvdimm/bus.c).
  for (const bus of buses) await readIfExists(`/sys/bus/nd/devices/${bus}/wait_probe`);
}

/** All /dev/pmem* of this machine, by name. `root` is for tests. */
export async function pmemDevices(root = '/'): Promise<PmemDevice[]> {
  const names = (await listIfExists(join(root, 'sys/block'))).filter((name) => /^pmem[0-9.]+$/.test(name));
  return Promise.all(names.map((name) => readDevice(join(root, 'sys/block', name), name)));
}

async function readDevice(directory: string, name: string): Promise<PmemDevice> {
  const read = async (file: string) => (await readIfExists(join(directory, file)))?.trim() ?? '';
  const [sectors, number, readOnly, dax, resource, provider] = await Promise.all([
    read('size'),
    read('dev'),
    read('ro'),
    read('queue/dax'),
    read('device/resource'),
    // namespace0.0 -> region0 -> ndbus0. Not join(): "device" is a symbolic link.
    readIfExists(`${directory}/device/../../provider`),
  ]);
  const sizeBytes = Number(sectors) * 512;
  const start = resource.startsWith('0x') ? Number(resource) : null;
  return {
    name,
    path: `/dev/${name}`,
    number,
    sizeBytes,
    region: start === null ? null : { start, end: start + sizeBytes },
    source: provider?.trim() === 'e820' ? 'emulated' : 'nvdimm',
    dax: dax === '1',
    readOnly: readOnly === '1',
  };
}
