import { randomBytes } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError, formatSize } from '@exuvia/contract';
import {
  formatAddress,
  type IomemEntry,
  type MemoryType,
  type Mount,
  overlaps,
  type PmemDevice,
  sizeOf,
  type TypedRange,
} from '@exuvia/sys';

/**
 * Whether a mounted file system is one that guests' memory may lie in: ext4, on a device that can be mapped
 * directly, with dax=always (ext4 refuses that option where it cannot keep it), and writable.
 *
 * @throws ExuviaError `store-not-dax`, `store-read-only`.
 */
export function requireDax(mount: Mount, device: PmemDevice | null): PmemDevice {
  if (device === null) throw notDax(mount, `${mount.source} is no persistent memory`);
  if (!device.dax) throw notDax(mount, `${device.path} cannot be mapped directly`);
  if (mount.type !== 'ext4') throw notDax(mount, `it is ${mount.type}, not ext4`);
  if (!mount.superOptions.includes('dax=always')) throw notDax(mount, 'it is not mounted with dax=always');
  if (mount.superOptions.includes('ro') || mount.options.includes('ro')) {
    throw new ExuviaError('store-read-only', `${mount.mountPoint} is mounted read-only.`, {
      hint: '`dmesg` says why; ext4 turns read-only after an error.',
    });
  }
  return device;
}

function notDax(mount: Mount, problem: string): ExuviaError {
  return new ExuviaError('store-not-dax', `${mount.mountPoint} is no store: ${problem}.`, {
    hint: `Unmount ${mount.mountPoint} and restart exuvia-agent.`,
  });
}

/**
 * The kernel must not lie inside the region. The EFI stub of Linux 6.6 (a1b87d54f4e4) to 6.10 could put it
 * there in spite of `memmap=`; kernels since then keep their place where that option is given.
 *
 * @throws ExuviaError `store-overlaps-kernel`.
 */
export function requireClear(device: PmemDevice, iomem: readonly IomemEntry[]): void {
  const { region } = device;
  if (region === null) return;
  const intruder = iomem.find((entry) => entry.name.startsWith('Kernel ') && overlaps(entry, region));
  if (intruder === undefined) return;
  throw new ExuviaError('store-overlaps-kernel', `The running kernel lies inside ${device.path}.`, {
    hint: 'Reboot; if it happens again, add nokaslr to the kernel command line.',
  });
}

/** What may lie below a store; type 12 and soft reservations are persistent memory that somebody else has declared. */
const MEMORY: readonly MemoryType[] = ['ram', 'pmem', 'legacy-pmem', 'soft-reserved'];

/**
 * `memmap=` names a place for good, but the firmware may have changed its mind about it since: an update of it, a
 * DIMM that it has mapped out.
 *
 * @throws ExuviaError `store-not-memory`.
 */
export function requireMemory({ source, region, path }: PmemDevice, firmware: readonly TypedRange[]): void {
  if (source !== 'emulated' || region === null || firmware.length === 0) return;
  // What it says nothing of may be memory that was plugged in later (Linux 6.12 mm/memory_hotplug.c tells the map of it).
  const other = firmware.find((range) => !MEMORY.includes(range.type) && overlaps(range, region));
  if (other === undefined) return;
  const from = Math.max(other.start, region.start);
  const part = { start: from, end: Math.min(other.end, region.end) };
  throw new ExuviaError(
    'store-not-memory',
    `The firmware no longer says that all of ${path} is memory: ${formatSize(sizeOf(part))} at ${formatAddress(from)} is ${other.type}.`,
    {
      hint: 'Was the firmware updated, or has it mapped a DIMM out? Run `exuvia setup --undo`, reboot, and set up again.',
    },
  );
}

/**
 * Writes a file and reads it back. With DAX neither goes through the page cache.
 *
 * @throws ExuviaError `store-not-writable`.
 */
export async function requireKeeping(root: string): Promise<void> {
  const path = join(root, '.probe');
  const pattern = randomBytes(4096);
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(pattern);
    await file.sync();
  } finally {
    await file.close();
  }
  const read = await readFile(path);
  await rm(path);
  if (read.equals(pattern)) return;
  throw new ExuviaError('store-not-writable', `${root} does not keep what is written to it.`);
}
