import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/index.ts';
import { blockIdentity, madeBy } from './block-identity.ts';

let root: string;
beforeEach(async () => {
  root = await temporaryDirectory();
});

/** A disk, or a partition of one (`nvme0n1/nvme0n1p2`), with its attributes. */
async function device(number: string, place: string, attributes: Record<string, string>) {
  const path = join(root, 'sys/devices', place);
  for (const [name, text] of Object.entries({ dev: number, ...attributes })) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), `${text}\n`);
  }
  await mkdir(join(root, 'sys/dev/block'), { recursive: true });
  await mkdir(join(root, 'sys/block'), { recursive: true });
  await symlink(path, join(root, 'sys/dev/block', number));
  if (!('partition' in attributes))
    await symlink(path, join(root, 'sys/block', place.split('/').at(-1) ?? ''));
}

test('a disk is known by the number that it brings along, a partition by that of its disk', async () => {
  await device('259:0', 'pci0000:00/nvme/nvme0/nvme0n1', { wwid: 'eui.00253' });
  await device('259:2', 'pci0000:00/nvme/nvme0/nvme0n1/nvme0n1p2', { partition: '2' });
  await device('8:0', 'pci0000:00/host0/0:0:0:0/block/sda', { 'device/wwid': 't10.QEMU    disk a' });
  await device('254:16', 'pci0000:00/virtio3/block/vdb', { serial: 'exuvia-data' });
  await device('8:16', 'pci0000:00/host0/0:0:1:0/block/sdb', {
    'device/vpd_pg80': '\0\x80\0\x0bexuvia-scsi',
  });
  expect(await blockIdentity('259:0', root)).toEqual({ kind: 'wwid', value: 'eui.00253', partition: 0 });
  expect(await blockIdentity('259:2', root)).toEqual({ kind: 'wwid', value: 'eui.00253', partition: 2 });
  expect(await blockIdentity('8:0', root)).toMatchObject({ kind: 'wwid', value: 't10.QEMU    disk a' });
  expect(await blockIdentity('254:16', root)).toMatchObject({ kind: 'serial', value: 'exuvia-data' });
  expect(await blockIdentity('8:16', root)).toMatchObject({ kind: 'serial', value: 'exuvia-scsi' });
});

test('a disk without a number, or with that of another one, is known by nothing', async () => {
  await device('254:0', 'pci0000:00/virtio1/block/vda', { serial: '' });
  await device('254:16', 'pci0000:00/virtio2/block/vdb', { serial: 'same' });
  await device('254:32', 'pci0000:00/virtio3/block/vdc', { serial: 'same' });
  expect(await blockIdentity('254:0', root)).toBeNull();
  expect(await blockIdentity('254:16', root)).toBeNull();
});

test('devices that userland puts together are told from disks', async () => {
  await device('253:0', 'virtual/block/dm-0', {});
  await device('9:127', 'virtual/block/md127', {});
  await device('7:0', 'virtual/block/loop0', {});
  await device('254:0', 'pci0000:00/virtio1/block/vda', {});
  expect(await Promise.all(['253:0', '9:127', '7:0', '254:0'].map((one) => madeBy(one, root)))).toEqual([
    'dm',
    'md',
    'loop',
    null,
  ]);
});

test('a disk that userland connects to over a network is none that a new kernel finds', async () => {
  await device('8:0', 'platform/host3/session1/target3:0:0/3:0:0:1/block/sda', {});
  await device('259:0', 'virtual/nvme-fabrics/ctl/nvme0/nvme0n1', {});
  await device('259:1', 'virtual/nvme-subsystem/nvme-subsys1/nvme1n1', {});
  await device('259:2', 'virtual/nvme-subsystem/nvme-subsys2/nvme2n1', {});
  await device('251:0', 'rbd/0/block/rbd0', {});
  for (const [number, transport] of [
    [1, 'tcp'],
    [2, 'pcie'],
  ]) {
    const controller = join(root, `sys/devices/virtual/nvme-subsystem/nvme-subsys${number}/nvme${number}`);
    await mkdir(controller);
    await writeFile(join(controller, 'transport'), `${transport}\n`);
  }
  const makers = ['8:0', '259:0', '259:1', '259:2', '251:0'].map((one) => madeBy(one, root));
  expect(await Promise.all(makers)).toEqual(['iscsi', 'nvme-fabrics', 'nvme-fabrics', null, 'rbd']);
});
