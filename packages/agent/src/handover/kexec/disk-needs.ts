import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import type { OpenImage } from '@exuvia/qemu';
import { blockIdentity, type Mount, madeBy, mountOf } from '@exuvia/sys';
import type { EarlyDevice } from './restore-plan.ts';

/** What the images and devices of a VM need: file systems that hold them, and devices by a name that is made for them. */
export interface DiskNeeds {
  readonly mounts: readonly Mount[];
  readonly devices: readonly (EarlyDevice & { readonly number: string })[];
}

/** The early restore has no udev: it makes such a link by itself, for the device that the running host calls so. */
const STABLE = /^\/dev\/disk\/(?!.*\.\.)[\x21-\x7e]{1,180}$/;

const IN_MEMORY = new Set(['tmpfs', 'ramfs', 'devtmpfs']);

const USERLAND: Readonly<Record<string, string>> = {
  dm: 'LVM, LUKS or multipath',
  md: 'software RAID',
  loop: 'a loop device',
  nbd: 'a network block device',
  iscsi: 'iSCSI',
  'nvme-fabrics': 'NVMe over fabrics',
  rbd: 'Ceph RBD',
};

/**
 * Where a VM's images lie.
 *
 * @throws ExuviaError `disk-unsupported` for one that cannot be there again when the VM is restored, naming it.
 */
export async function diskNeeds(images: readonly OpenImage[]): Promise<DiskNeeds> {
  const found = await Promise.all(images.map(needsOf));
  return { mounts: found.flatMap(({ mounts }) => mounts), devices: found.flatMap(({ devices }) => devices) };
}

async function needsOf({ path, driver }: OpenImage): Promise<DiskNeeds> {
  if (driver === 'host_device') return { mounts: [], devices: [await deviceOf(path)] };
  if (driver !== 'file') throw unsupported(path, `QEMU reaches it by ${driver}`);
  // A link may lie in another file system than what it leads to.
  const mounts = await Promise.all([mountOf(dirname(path)), mountOf(path)]);
  const lost = mounts.find(({ type }) => IN_MEMORY.has(type));
  if (lost !== undefined)
    throw unsupported(path, `it lies in memory (${lost.type}), which ends with the kernel`);
  for (const { device, mountPoint } of mounts) await requireDisk(device, path, `${mountPoint} is on`);
  return { mounts, devices: [] };
}

/** @throws ExuviaError `disk-unsupported` for a device that only the host's userland can put together. */
export async function requireDisk(number: string, path: string, how: string): Promise<void> {
  const maker = number.startsWith('0:') ? null : await madeBy(number);
  if (maker === null) return;
  throw unsupported(
    path,
    `${how} ${USERLAND[maker] ?? maker}, which only the host’s userland can put together`,
  );
}

async function deviceOf(path: string): Promise<DiskNeeds['devices'][number]> {
  const { rdev } = await stat(path);
  // Linux 6.12, include/linux/kdev_t.h, as glibc's major and minor have it.
  const number = `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
  await requireDisk(number, path, 'it is made by');
  if (!STABLE.test(path)) {
    const hint = 'Name it by one of its links below /dev/disk/by-id in the spec; stop and start the VM.';
    throw unsupported(path, 'the new kernel may give that name to another device', hint);
  }
  const identity = await blockIdentity(number);
  if (identity !== null) return { path, number, ...identity };
  throw unsupported(path, 'its disk has no serial number of its own by which it could be found again');
}

function unsupported(path: string, why: string, hint?: string): ExuviaError {
  return new ExuviaError('disk-unsupported', `${path} is not there before the host’s userland: ${why}.`, {
    hint: hint ?? 'Use `--handover reboot` for this host, or onFailure in the VM’s spec.',
  });
}
