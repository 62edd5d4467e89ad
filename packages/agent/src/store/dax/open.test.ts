import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TypedRange } from '@exuvia/sys';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { beforeEach, expect, test } from 'vitest';
import { GIB, mountOf, pmem, RECORD, STORE, TestHost } from './host.testing.ts';
import { createDaxStore } from './store.ts';

let host: TestHost;
beforeEach(async () => {
  host = new TestHost(await temporaryDirectory());
});

test('what an early restore has mounted is taken as it is', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.mounted = [mountOf(pmem(0), host.mountPoint)];
  await createDaxStore(host).open();
  expect(host.done).toEqual([]);
});

test('after a kexec the store is mounted with all that is in it', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  host.kexec = true;
  await createDaxStore(host).open();
  expect(host.done).toEqual(['mount /dev/pmem0']);
});

test('after a start through firmware emulated memory is formatted again, however good it looks', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  await createDaxStore(host).open();
  expect(host.done).toEqual(['mount /dev/pmem0', 'unmount', 'format /dev/pmem0', 'mount /dev/pmem0']);
});

test('one that is not even sound is formatted, but not with saved VMs in it', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  host.sound = false;
  await host.save('tiny');
  await createDaxStore(host).open();
  expect(host.done).toEqual(['mount /dev/pmem0']);
  host.mounted = [];
  host.opened = false;
  await rm(join(host.mountPoint, 'vms/tiny/device-state'));
  host.done = [];
  await createDaxStore(host).open();
  expect(host.done).toEqual(['mount /dev/pmem0', 'unmount', 'format /dev/pmem0', 'mount /dev/pmem0']);
});

test('saved VMs that came through a start of the firmware are kept, with a warning', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  await host.save('tiny');
  const store = createDaxStore(host);
  await store.open();
  expect(host.done).toEqual(['mount /dev/pmem0']);
  expect((await store.checks()).find((check) => check.id === 'store-content')?.verdict).toBe('warn');
});

test('one that this kernel cannot mount is left as it is', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  host.mountProblem = new Error('unknown filesystem type');
  await expect(createDaxStore(host).open()).rejects.toThrow('unknown filesystem type');
  expect(host.done).toEqual([]);
});

test('a store that this boot has opened before is mounted again', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  host.opened = true;
  await createDaxStore(host).open();
  expect(host.done).toEqual(['mount /dev/pmem0']);
});

test('an NVDIMM keeps what it holds through any start, and its label is enough', async () => {
  host.list = [pmem(0, { source: 'nvdimm' })];
  host.contents.set('/dev/pmem0', STORE);
  await createDaxStore(host).open();
  expect(host.done).toEqual(['mount /dev/pmem0']);
});

test("somebody else's data in the region is never touched", async () => {
  host.record = RECORD;
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', { ...STORE, type: 'xfs', label: 'data' });
  const store = createDaxStore(host);
  await expect(store.open()).rejects.toMatchObject({
    code: 'store-foreign',
    message:
      '/dev/pmem0 (1G at 0x140000000) holds xfs with the label "data", which is not a store of Exuvia.',
  });
  expect(host.done).toEqual([]);
  expect((await store.checks())[0]?.reason).toContain('which is not a store of Exuvia.');
});

test('a blank device elsewhere is never touched', async () => {
  host.record = RECORD;
  host.list = [pmem(1), pmem(0, { region: { start: 5 * GIB, end: 5 * GIB + GIB / 2 } })];
  expect(await createDaxStore(host).open()).toBeNull();
  expect(host.done).toEqual([]);
});

test('a store of another region is not taken for the one that was set up', async () => {
  host.record = RECORD;
  host.list = [pmem(1)];
  host.contents.set('/dev/pmem1', STORE);
  expect(await createDaxStore(host).open()).toBeNull();
  expect(host.done).toEqual([]);
});

test('a labelled NVDIMM is not taken for the region that was set up, nor does it stand in its way', async () => {
  host.record = RECORD;
  host.list = [pmem(1, { source: 'nvdimm' })];
  host.contents.set('/dev/pmem1', STORE);
  expect(await createDaxStore(host).open()).toBeNull();
  host.list = [...host.list, pmem(0)];
  expect(await createDaxStore(host).open()).toMatchObject({ device: '/dev/pmem0' });
  expect(host.done).toEqual(['format /dev/pmem0', 'mount /dev/pmem0']);
});

test('two stores are one too many', async () => {
  host.list = [pmem(0), pmem(1)];
  host.contents.set('/dev/pmem0', STORE).set('/dev/pmem1', STORE);
  await expect(createDaxStore(host).open()).rejects.toMatchObject({
    code: 'store-ambiguous',
    message: '/dev/pmem0 and /dev/pmem1 both have the label exuvia-store.',
  });
});

test('an undone setup leaves its device alone', async () => {
  host.record = { ...RECORD, state: 'undone', before: [] };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  expect(await createDaxStore(host).open()).toBeNull();
  expect(host.done).toEqual([]);
});

test('a region in which the kernel lies is not used', async () => {
  host.record = RECORD;
  host.list = [pmem(0)];
  host.ranges = [{ start: 5 * GIB + 4096, end: 5 * GIB + 8192, name: 'Kernel code', depth: 1 }];
  await expect(createDaxStore(host).open()).rejects.toMatchObject({
    code: 'store-overlaps-kernel',
    message: 'The running kernel lies inside /dev/pmem0.',
  });
  expect(host.done).toEqual([]);
});

test('a region that the firmware no longer calls memory is not used, unless VMs have come there by a jump', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  host.map = [
    { start: 4 * GIB, end: 8 * GIB, type: 'ram' },
    { start: 6 * GIB - 2 ** 20, end: 6 * GIB, type: 'reserved' },
  ];
  await expect(createDaxStore(host).open()).rejects.toMatchObject({
    code: 'store-not-memory',
    message: 'The firmware no longer says that all of /dev/pmem0 is memory: 1M at 0x17ff00000 is reserved.',
  });
  expect(host.done).toEqual([]);
  host.kexec = true;
  await createDaxStore(host).open();
  expect(host.done).toEqual(['mount /dev/pmem0']);
});

test('memory that was plugged in later, of which the firmware says nothing, is used; so is what was found', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  host.map = [{ start: 0, end: 4 * GIB, type: 'ram' }];
  await createDaxStore(host).open();
  host.mounted = [];
  host.record = { ...RECORD, found: true, state: 'ready' };
  host.map = [{ start: 4 * GIB, end: 8 * GIB, type: 'reserved' }];
  await createDaxStore(host).open();
});

test('an NVDIMM is found by its label when memory was added and its address is another one', async () => {
  host.record = { ...RECORD, source: 'nvdimm', found: true, state: 'ready', before: [] };
  const moved = { start: 9 * GIB, end: 10 * GIB };
  host.list = [{ ...pmem(0), source: 'nvdimm', region: moved }];
  host.contents.set('/dev/pmem0', STORE);
  await createDaxStore(host).open();
  expect(host.record).toMatchObject({ region: { start: 9 * GIB, size: GIB }, state: 'ready' });
});

test.each<TypedRange['type']>(['ram', 'pmem', 'legacy-pmem', 'soft-reserved'])(
  'a region in what the firmware calls %s is used',
  async (type) => {
    host.record = RECORD;
    host.list = [pmem(0)];
    host.map = [
      { start: 4 * GIB, end: 5 * GIB + GIB / 2, type },
      { start: 5 * GIB + GIB / 2, end: 7 * GIB, type },
      { start: 7 * GIB, end: 8 * GIB, type: 'reserved' },
    ];
    await createDaxStore(host).open();
    expect(host.done).toEqual(['format /dev/pmem0', 'mount /dev/pmem0']);
  },
);

test('a file system that turned read-only is refused', async () => {
  host.list = [pmem(0)];
  host.mounted = [{ ...mountOf(pmem(0), host.mountPoint), superOptions: ['ro', 'dax=always'] }];
  await expect(createDaxStore(host).open()).rejects.toMatchObject({ code: 'store-read-only' });
});
