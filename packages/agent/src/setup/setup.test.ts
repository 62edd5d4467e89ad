import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readIfExists } from '@exuvia/sys';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { beforeEach, expect, test } from 'vitest';
import { device, GIB, IOMEM_WITH_REGION, storeOf, TestHost } from './host.testing.ts';
import { createSetup } from './setup.ts';

let host: TestHost;
let setup: ReturnType<typeof createSetup>;
beforeEach(async () => {
  host = new TestHost(await temporaryDirectory());
  setup = createSetup(storeOf(host), host);
});

test('setup computes a region, writes it for the next boot, and says so', async () => {
  expect(await setup.run(2 * GIB)).toEqual({
    state: 'reboot-needed',
    region: { start: 7 * GIB, size: 2 * GIB },
    source: 'memmap',
    changedFiles: [host.file('etc/default/grub.d/exuvia.cfg'), host.file('etc/modules-load.d/exuvia.conf')],
    message: '2G at 0x1c0000000 will be the store after the next reboot. Reboot when it suits you.',
  });
  expect(await readFile(host.file('etc/default/grub.d/exuvia.cfg'), 'utf8')).toBe('memmap=2G!7G');
  expect(await readFile(host.file('etc/modules-load.d/exuvia.conf'), 'utf8')).toContain('\nnd_e820\n');
});

test('what the boot loader has to say is part of the result', async () => {
  host.notes = ['The saved entry is "1>2".'];
  expect((await setup.run(2 * GIB)).message).toBe(
    '2G at 0x1c0000000 will be the store after the next reboot. Reboot when it suits you. The saved entry is "1>2".',
  );
});

test('the same again changes nothing and, after the reboot, is ready', async () => {
  const first = await setup.run(2 * GIB);
  expect(await setup.run(2 * GIB)).toEqual(first);
  host.data = { ...host.data, iomem: IOMEM_WITH_REGION, devices: [{ device: device({}), content: null }] };
  expect(await setup.run(2 * GIB)).toMatchObject({
    state: 'ready',
    message: 'The store is ready: 2G at 0x1c0000000.',
  });
});

test('another size is refused until the first is undone', async () => {
  await setup.run(2 * GIB);
  await expect(setup.run(GIB)).rejects.toMatchObject({
    code: 'setup-differs',
    message: 'A store of 2G is set up already; 1G is another size.',
  });
  expect(await readFile(host.file('etc/default/grub.d/exuvia.cfg'), 'utf8')).toBe('memmap=2G!7G');
});

test('a size that does not fit is refused with the largest that does, and nothing is changed', async () => {
  await expect(setup.run(6.5 * GIB)).rejects.toMatchObject({
    code: 'setup-impossible',
    message:
      '6656M cannot be set aside: there is no free range of RAM of that size in one piece; the largest that fits is 6G.',
    hint: 'Ask for less: exuvia setup --memory 6G',
  });
  expect(host.record).toBeNull();
  expect(await readIfExists(host.file('etc/modules-load.d/exuvia.conf'))).toBeNull();
});

test('undo gives every file its old content back, also those that were there before', async () => {
  await mkdir(dirname(host.file('etc/modules-load.d/exuvia.conf')), { recursive: true });
  await writeFile(host.file('etc/modules-load.d/exuvia.conf'), 'mine\n');
  await setup.run(2 * GIB);
  expect(await setup.undo()).toMatchObject({
    state: 'undone',
    changedFiles: [host.file('etc/default/grub.d/exuvia.cfg'), host.file('etc/modules-load.d/exuvia.conf')],
    message: 'Every changed file is as it was. The memory belongs to the host again after the next reboot.',
  });
  expect(await readIfExists(host.file('etc/default/grub.d/exuvia.cfg'))).toBeNull();
  expect(await readFile(host.file('etc/modules-load.d/exuvia.conf'), 'utf8')).toBe('mine\n');
  expect(host.unmounted).toBe(1);
  expect((await setup.undo()).message).toBe('No store is set up; nothing was changed.');
});

test('what setup wrote is remembered beside what was there', async () => {
  await setup.run(2 * GIB);
  expect(host.record?.before[0]).toEqual({
    path: host.file('etc/default/grub.d/exuvia.cfg'),
    added: ['memmap=2G!7G'],
    content: null,
    written: 'memmap=2G!7G',
  });
});

test('the files of before are remembered from the first setup, not from a repeated one', async () => {
  await setup.run(2 * GIB);
  await setup.run(2 * GIB);
  await setup.undo();
  expect(await readIfExists(host.file('etc/modules-load.d/exuvia.conf'))).toBeNull();
});

test('undo is refused while the store holds the memory of VMs', async () => {
  await setup.run(2 * GIB);
  host.vms = ['busy', 'tiny'];
  await expect(setup.undo()).rejects.toMatchObject({
    code: 'store-in-use',
    message: 'The store holds the memory of busy, tiny.',
  });
  expect(await readFile(host.file('etc/default/grub.d/exuvia.cfg'), 'utf8')).toBe('memmap=2G!7G');
});

test('when the boot loader fails everything is as it was', async () => {
  host.fail = true;
  await expect(setup.run(2 * GIB)).rejects.toMatchObject({ code: 'boot-loader-failed' });
  expect(await readIfExists(host.file('etc/modules-load.d/exuvia.conf'))).toBeNull();
  expect((await setup.undo()).message).toBe('No store is set up; nothing was changed.');
  host.fail = false;
  expect((await setup.run(GIB)).region).toEqual({ start: 8 * GIB, size: GIB });
});

test('a boot loader that is not known: the argument to write by hand is named', async () => {
  host.loader = null;
  await expect(setup.run(2 * GIB)).rejects.toMatchObject({
    code: 'boot-loader-unknown',
    hint: 'Put memmap=2G!7G on the kernel command line yourself and reboot; then run this again.',
  });
  expect(host.record).toBeNull();
});

test('what an undone setup left until the reboot counts as RAM for the next one', async () => {
  await setup.run(2 * GIB);
  host.data = { ...host.data, iomem: IOMEM_WITH_REGION, devices: [{ device: device({}), content: null }] };
  await setup.run(2 * GIB);
  await setup.undo();
  expect(await setup.run(3 * GIB)).toMatchObject({
    state: 'reboot-needed',
    region: { start: 6 * GIB, size: 3 * GIB },
  });
});
