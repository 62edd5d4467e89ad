import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../process/run.ts';
import { temporaryDirectory } from '../testing/index.ts';
import { parseBlockContent, probeBlockDevice } from './block-device.ts';
import { mountAt, mountHolding, mountOf, parseMountInfo } from './mount-table.ts';

const TABLE = parseMountInfo(`\
28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
30 28 0:24 / /dev/shm rw,nosuid,nodev shared:3 - tmpfs tmpfs rw
41 28 259:0 / /var/lib/exuvia/store rw,relatime shared:20 - ext4 /dev/pmem0 rw,dax=always,stripe=512
52 28 0:40 /@home /home/a\\040b rw - btrfs /dev/vdb rw,subvol=/@home
53 28 0:41 / /dev/shm rw - tmpfs over rw
`);

test('the mount table is read with its optional fields and escapes', () => {
  expect(mountAt(TABLE, '/var/lib/exuvia/store')).toEqual({
    id: 41,
    parent: 28,
    device: '259:0',
    root: '/',
    mountPoint: '/var/lib/exuvia/store',
    options: ['rw', 'relatime'],
    type: 'ext4',
    source: '/dev/pmem0',
    superOptions: ['rw', 'dax=always', 'stripe=512'],
  });
  expect(TABLE.map((mount) => mount.mountPoint)).toContain('/home/a b');
});

test('of mounts on one another the one on top counts', () => {
  expect(mountAt(TABLE, '/dev/shm')?.source).toBe('over');
  expect(mountAt(TABLE, '/mnt')).toBeNull();
});

test('a path belongs to the deepest mount that holds it', () => {
  expect(mountHolding(TABLE, '/var/lib/exuvia/store/vms/a')?.source).toBe('/dev/pmem0');
  expect(mountHolding(TABLE, '/var/lib/exuvia/storeroom')?.source).toBe('/dev/vda1');
  expect(mountHolding(TABLE, '/')?.source).toBe('/dev/vda1');
  expect(mountHolding([], '/')).toBeNull();
});

test('this machine says what /proc lies on', async () => {
  expect((await mountOf('/proc/self/status')).type).toBe('proc');
});

test('blkid names a file system, and nothing on a blank device', async () => {
  const image = join(await temporaryDirectory(), 'image');
  await writeFile(image, '');
  await truncate(image, 16 * 2 ** 20);
  expect(await probeBlockDevice(image)).toBeNull();
  await run('mkfs.ext4', ['-q', '-L', 'exuvia-store', image]);
  expect(await probeBlockDevice(image)).toMatchObject({
    type: 'ext4',
    usage: 'filesystem',
    label: 'exuvia-store',
    partitionTable: null,
  });
});

test('a device that cannot be read is an error, not a blank one', async () => {
  await expect(probeBlockDevice('/dev/exuvia-none')).rejects.toMatchObject({ code: 'device-unreadable' });
});

test('labels with special characters are unescaped', () => {
  expect(parseBlockContent('DEVNAME=/dev/x\nTYPE=ext4\nLABEL=a\\ b\n')?.label).toBe('a b');
  expect(parseBlockContent('DEVNAME=/dev/x\n')).toBeNull();
});
