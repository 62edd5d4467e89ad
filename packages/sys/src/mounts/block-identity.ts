import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { listIfExists, readIfExists } from '../files/read.ts';

/**
 * What a block device is known by under any kernel: a number that its disk brings along, and which of its partitions it
 * is (0: the whole disk). Never anything that is written on the disk: a guest could write the same on its own.
 */
export interface BlockIdentity {
  readonly kind: 'wwid' | 'serial';
  readonly value: string;
  readonly partition: number;
}

/**
 * Where drivers put it: NVMe and virtio-blk at the disk, SCSI at the device below it (Linux 6.12); a SCSI disk without a
 * WWID may still have the page 0x80 of its vital product data, with a head of four bytes (SPC-5, 7.7).
 */
const ATTRIBUTES = [
  ['wwid', 'wwid', 0],
  ['wwid', 'device/wwid', 0],
  ['serial', 'serial', 0],
  ['serial', 'device/serial', 0],
  ['serial', 'device/vpd_pg80', 4],
] as const;

/** The identity of a block device (`259:1`); `null` when its disk has none, or shares it with another disk. */
export async function blockIdentity(device: string, root = '/'): Promise<BlockIdentity | null> {
  const path = await realpath(join(root, 'sys/dev/block', device));
  const partition = Number((await readIfExists(join(path, 'partition'))) ?? '0');
  const disk = partition === 0 ? path : dirname(path);
  const own = await identityOfDisk(disk);
  if (own === null) return null;
  for (const name of await listIfExists(join(root, 'sys/block'))) {
    if (name === basename(disk)) continue;
    const other = await identityOfDisk(join(root, 'sys/block', name));
    if (other?.kind === own.kind && other.value === own.value) return null;
  }
  return { ...own, partition };
}

async function identityOfDisk(disk: string): Promise<Omit<BlockIdentity, 'partition'> | null> {
  for (const [kind, attribute, head] of ATTRIBUTES) {
    const value = (await readIfExists(join(disk, attribute)))?.slice(head).trim();
    if (value !== undefined && /^[\x20-\x7e]{1,200}$/.test(value)) return { kind, value };
  }
  return null;
}

/** What the path of a device below /sys says of disks that the host's userland connects to. */
const CONNECTED = [
  [/\/session[0-9]+\//, 'iscsi'],
  [/\/nvme-fabrics\//, 'nvme-fabrics'],
  [/\/devices\/rbd\//, 'rbd'],
] as const;

/**
 * What makes a block device that no driver finds by itself: `dm` (LVM, LUKS, multipath), `md` (RAID), `loop`, `iscsi`...;
 * `null` for a disk or a partition of one.
 */
export async function madeBy(device: string, root = '/'): Promise<string | null> {
  const path = await realpath(join(root, 'sys/dev/block', device));
  const connected = CONNECTED.find(([place]) => place.test(path))?.[1];
  if (connected !== undefined) return connected;
  // NVMe namespaces with several paths are below devices/virtual as well.
  const subsystem = /^.*\/nvme-subsystem\/[^/]+/.exec(path)?.[0];
  if (subsystem !== undefined) return await fabricsOf(subsystem);
  return /\/devices\/virtual\/block\/([a-z]+)/.exec(path)?.[1] ?? null;
}

/** Each controller of an NVMe subsystem is linked below it, and knows its transport (Linux 6.12 drivers/nvme/host/sysfs.c). */
async function fabricsOf(subsystem: string): Promise<'nvme-fabrics' | null> {
  const controllers = (await listIfExists(subsystem)).filter((name) => /^nvme[0-9]+$/.test(name));
  const transports = await Promise.all(
    controllers.map((name) => readIfExists(join(subsystem, name, 'transport'))),
  );
  return transports.some(
    (transport) => transport !== undefined && transport !== null && transport.trim() !== 'pcie',
  )
    ? 'nvme-fabrics'
    : null;
}
