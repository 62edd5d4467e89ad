import { join } from 'node:path';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { beforeEach, expect, test } from 'vitest';
import { GIB, mountOf, pmem, RECORD, TestHost } from './host.testing.ts';
import { createDaxStore } from './store.ts';

let host: TestHost;
beforeEach(async () => {
  host = new TestHost(await temporaryDirectory());
});

const verdicts = async (store: ReturnType<typeof createDaxStore>) =>
  (await store.checks()).map((check) => `${check.id} ${check.verdict}: ${check.reason}`);

test('a host without persistent memory has no store, and says how to get one', async () => {
  const store = createDaxStore(host);
  expect(await store.open()).toBeNull();
  expect(await verdicts(store)).toEqual(['store fail: This host has no store for the memory of VMs.']);
  await expect(store.allocate('tiny', 4096)).rejects.toMatchObject({
    code: 'store-missing',
    hint: 'Set one up: exuvia setup --memory SIZE',
  });
});

test('the first boot after setup formats the region and completes the setup', async () => {
  host.record = RECORD;
  host.list = [pmem(0)];
  const store = createDaxStore(host);
  expect(await store.open()).toMatchObject({
    kind: 'dax',
    device: '/dev/pmem0',
    mountPoint: host.mountPoint,
    physicalStart: 5 * GIB,
  });
  expect(host.done).toEqual(['format /dev/pmem0', 'mount /dev/pmem0']);
  expect(host.record.state).toBe('ready');
  expect(await verdicts(store)).toEqual([
    expect.stringMatching(/^store ok: \/dev\/pmem0 \(\d+[MG]\) is mounted at /),
    `store-dax ok: ${host.mountPoint} is mapped directly (dax=always).`,
    'store-region ok: The store is where setup put it: 1G at 0x140000000.',
    expect.stringMatching(/^store-space (ok|warn): /),
  ]);
});

test.each([
  [{ type: 'xfs' }, 'it is xfs, not ext4'],
  [{ superOptions: ['rw'] }, 'it is not mounted with dax=always'],
  [{ device: '254:1', source: '/dev/vda1' }, '/dev/vda1 is no persistent memory'],
])('a mount that cannot hold memory is refused: %j', async (fields, problem) => {
  host.list = [pmem(0)];
  host.mounted = [{ ...mountOf(pmem(0), host.mountPoint), ...fields }];
  const store = createDaxStore(host);
  const message = `${host.mountPoint} is no store: ${problem}.`;
  await expect(store.open()).rejects.toMatchObject({ code: 'store-not-dax', message });
  await expect(store.allocate('tiny', 4096)).rejects.toMatchObject({ code: 'store-not-dax', message });
  expect((await store.checks()).find((check) => check.id === 'store-dax')).toMatchObject({
    verdict: 'fail',
    reason: message,
  });
});

test('while nothing is mounted, scrubbing and orphans are nothing', async () => {
  await host.save('tiny');
  const store = createDaxStore(host);
  await store.scrub('tiny');
  expect(await store.scrubOrphans(new Set())).toEqual([]);
});

test('a store that was set up but is not there says what to do', async () => {
  const store = createDaxStore(host);
  host.record = RECORD;
  expect(await verdicts(store)).toEqual([
    'store fail: The store is set up, but the host has not been rebooted since.',
  ]);
  host.record = { ...RECORD, state: 'ready' };
  expect(await verdicts(store)).toEqual([
    "store fail: The store's memory (1G at 0x140000000) is not there in this boot.",
  ]);
});

test('changes of the store come one after the other', async () => {
  host.record = RECORD;
  host.list = [pmem(0)];
  const store = createDaxStore(host);
  const [, first, second] = await Promise.allSettled([
    store.open(),
    store.allocate('tiny', 2 ** 20),
    store.allocate('tiny', 2 ** 20),
    store.scrub('tiny'),
    store.open(),
  ]);
  expect(host.done).toEqual(['format /dev/pmem0', 'mount /dev/pmem0']);
  expect([first?.status, second?.status]).toEqual(['fulfilled', 'rejected']);
  expect(await store.allocate('tiny', 2 ** 20)).toBe(join(host.mountPoint, 'vms/tiny/ram'));
  expect((await store.checks()).find((check) => check.subject === 'tiny')?.reason).toBe(
    '100 % of its memory can be mapped with huge pages.',
  );
});
