import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockContent, IomemEntry, Mount, PmemDevice, TypedRange } from '@exuvia/sys';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { beforeEach, expect, test } from 'vitest';
import type { SetupRecord } from '../../setup/index.ts';
import type { StoreHost } from './host.ts';
import { createDaxStore } from './store.ts';

const GIB = 2 ** 30;
const STORE: BlockContent = {
  type: 'ext4',
  usage: 'filesystem',
  label: 'exuvia-store',
  uuid: '1',
  partitionTable: null,
};

/**
 * Stands in for a machine with persistent memory, which this one has not: devices whose content is a word,
 * and a directory in place of the mounted file system. The lab runs the same store on real devices.
 */
class TestHost implements StoreHost {
  readonly mountPoint: string;
  record: SetupRecord | null = null;
  list: PmemDevice[] = [];
  contents = new Map<string, BlockContent | null>();
  ranges: IomemEntry[] = [];
  map: TypedRange[] = [];
  mounted: Mount[] = [];
  kexec: boolean | null = false;
  opened = false;
  sound = true;
  done: string[] = [];

  constructor(mountPoint: string) {
    this.mountPoint = mountPoint;
  }
  async loadDrivers() {}
  async devices() {
    return this.list;
  }
  async mounts() {
    return this.mounted;
  }
  async iomem() {
    return this.ranges;
  }
  async firmware() {
    return this.map;
  }
  async probe(device: PmemDevice) {
    return this.contents.get(device.path) ?? null;
  }
  async format(device: PmemDevice) {
    this.done.push(`format ${device.path}`);
    this.contents.set(device.path, STORE);
    await rm(join(this.mountPoint, 'vms'), { recursive: true, force: true });
  }
  async check() {
    return this.sound;
  }
  async mount(device: PmemDevice) {
    this.done.push(`mount ${device.path}`);
    this.mounted.push(mountOf(device, this.mountPoint));
  }
  async unmount() {
    this.done.push('unmount');
    this.mounted.pop();
  }
  async startedByKexec() {
    return this.kexec;
  }
  async openedInThisBoot() {
    return this.opened;
  }
  async rememberOpened() {
    this.opened = true;
  }
  async extents() {
    return '   0:        0..     511:      34816..     35327:    512:             last,eof';
  }
  async readSetup() {
    return this.record;
  }
  async writeSetup(record: SetupRecord) {
    this.record = record;
  }
}

function pmem(number: number, fields: Partial<PmemDevice> = {}): PmemDevice {
  const start = (5 + number) * GIB;
  return {
    name: `pmem${number}`,
    path: `/dev/pmem${number}`,
    number: `259:${number}`,
    sizeBytes: GIB,
    region: { start, end: start + GIB },
    source: 'emulated',
    dax: true,
    readOnly: false,
    ...fields,
  };
}

function mountOf(device: PmemDevice, mountPoint: string): Mount {
  return {
    id: 1,
    parent: 0,
    device: device.number,
    root: '/',
    mountPoint,
    options: ['rw', 'noatime'],
    type: 'ext4',
    source: device.path,
    superOptions: ['rw', 'dax=always'],
  };
}

const RECORD: SetupRecord = {
  version: 1,
  region: { start: 5 * GIB, size: GIB },
  source: 'memmap',
  state: 'reboot-needed',
  before: [{ path: '/etc/default/grub.d/exuvia.cfg', content: null }],
};

let host: TestHost;
beforeEach(async () => {
  host = new TestHost(await temporaryDirectory());
});

async function save(name: string) {
  await mkdir(join(host.mountPoint, 'vms', name), { recursive: true });
  await writeFile(join(host.mountPoint, 'vms', name, 'device-state'), 'state');
}

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

test('a file system that is not even sound is formatted without looking into it', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  host.sound = false;
  await createDaxStore(host).open();
  expect(host.done).toEqual(['format /dev/pmem0', 'mount /dev/pmem0']);
});

test('saved VMs that came through a start of the firmware are kept, with a warning', async () => {
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  await save('tiny');
  const store = createDaxStore(host);
  await store.open();
  expect(host.done).toEqual(['mount /dev/pmem0']);
  expect((await store.checks()).find((check) => check.id === 'store-content')?.verdict).toBe('warn');
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

test('a file system that turned read-only is refused', async () => {
  host.list = [pmem(0)];
  host.mounted = [{ ...mountOf(pmem(0), host.mountPoint), superOptions: ['ro', 'dax=always'] }];
  await expect(createDaxStore(host).open()).rejects.toMatchObject({ code: 'store-read-only' });
});

test('while nothing is mounted, scrubbing and orphans are nothing', async () => {
  await save('tiny');
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
