import type { VmSpec } from '@exuvia/contract';

type Disk = VmSpec['disks'][number];

/** Slots 0 to 2 of the root bus belong to the chipset and to `extraArgs`; the disks' places never move. */
const FIRST_SLOT = 3;

/**
 * Said outright, because builds differ in what they make of it: Debian's 10.0.13 offers a guest rings of 1024 whatever
 * it is told, 11.1 goes by it and takes no state with larger ones ("exceeds allocated max"). 1024 is QEMU's maximum.
 */
const QUEUE_SIZE = 1024;

/** QEMU's three properties behind the four names that users know (qemu-img(1), cache modes). */
const CACHE: Readonly<Record<Disk['cache'], { direct: boolean; writeCache: boolean }>> = {
  none: { direct: true, writeCache: true },
  writeback: { direct: false, writeCache: true },
  directsync: { direct: true, writeCache: false },
  writethrough: { direct: false, writeCache: false },
};

/** The name of a disk's image in QEMU. */
export function diskNodeName(index: number): string {
  return `disk${index}`;
}

/** The name of a disk's device in QEMU. */
export function diskQdev(index: number): string {
  return `virtio-disk${index}`;
}

/** Arguments for one virtio-blk disk, with node names and a PCI address that depend on its index alone. */
export function diskArguments(disk: Disk, index: number, machine: string): string[] {
  const { direct, writeCache } = CACHE[disk.cache];
  const common = { 'read-only': disk.readOnly, cache: { direct, 'no-flush': false } };
  const file = {
    driver: disk.file.startsWith('/dev/') ? 'host_device' : 'file',
    'node-name': `disk${index}-file`,
    filename: disk.file,
    ...common,
  };
  const format = {
    driver: disk.format,
    'node-name': diskNodeName(index),
    file: file['node-name'],
    ...common,
  };
  const device = {
    driver: 'virtio-blk-pci',
    id: diskQdev(index),
    drive: format['node-name'],
    bus: machine.startsWith('pc-q35-') ? 'pcie.0' : 'pci.0',
    addr: `0x${(FIRST_SLOT + index).toString(16)}`,
    'write-cache': writeCache ? 'on' : 'off',
    'queue-size': QUEUE_SIZE,
  };
  return [
    '-blockdev',
    JSON.stringify(file),
    '-blockdev',
    JSON.stringify(format),
    '-device',
    JSON.stringify(device),
  ];
}
