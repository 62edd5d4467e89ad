import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import {
  type BootLoader,
  type FileBefore,
  type PmemDevice,
  parseIomem,
  readIfExists,
  restoreFiles,
  type TypedRange,
  writeFileDurably,
} from '@exuvia/sys';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { beforeEach, expect, test } from 'vitest';
import type { Store } from '../kinds.ts';
import type { SetupHost } from './host.ts';
import type { SetupFacts } from './plan.ts';
import type { SetupRecord } from './record.ts';
import { createSetup } from './setup.ts';

const GIB = 2 ** 30;

/** QEMU q35 with 8 GiB, as its kernel shows it; with `memmap=2G!7G` the second. */
const IOMEM = parseIomem(`\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
00100000-7ffdffff : System RAM
7ffe0000-7fffffff : Reserved
100000000-27fffffff : System RAM
`);
const IOMEM_WITH_REGION = parseIomem(`\
00100000-7ffdffff : System RAM
100000000-1bfffffff : System RAM
1c0000000-23fffffff : Persistent Memory (legacy)
  1c0000000-23fffffff : namespace0.0
240000000-27fffffff : System RAM
`);
const FIRMWARE: TypedRange[] = [
  { start: 0x1000, end: 0x9fc00, type: 'ram' },
  { start: 0x100000, end: 0x7ffe0000, type: 'ram' },
  { start: 0x100000000, end: 0x280000000, type: 'ram' },
];

/** A host in a directory: its files are real, its boot loader writes one, its memory map is data. */
class TestHost implements SetupHost {
  readonly root: string;
  data: Omit<SetupFacts, 'record'> = {
    iomem: IOMEM,
    firmware: FIRMWARE,
    devices: [],
    nvdimms: [],
    kernelStays: false,
  };
  record: SetupRecord | null = null;
  loader: BootLoader | null;
  vms: string[] = [];
  unmounted = 0;
  notes: string[] = [];
  fail = false;

  constructor(root: string) {
    this.root = root;
    const path = this.file('etc/default/grub.d/exuvia.cfg');
    this.loader = {
      kind: 'grub',
      files: [path],
      setArguments: async (args) => {
        if (this.fail) throw new ExuviaError('boot-loader-failed', 'No space left.');
        await writeFileDurably(path, args.join(' '));
        return this.notes;
      },
      removeArguments: (before: readonly FileBefore[]) => restoreFiles(before),
      async setDefaultKernel() {},
      async setNextKernel() {},
      async clearNextKernel() {},
    };
  }
  file(path: string) {
    return join(this.root, path);
  }
  async facts() {
    return this.data;
  }
  async bootLoader() {
    return this.loader;
  }
  async readRecord() {
    return this.record;
  }
  async writeRecord(record: SetupRecord) {
    this.record = record;
  }
  async vmsInStore() {
    return this.vms;
  }
  async unmountStore() {
    this.unmounted++;
  }
}

/** The store opens as soon as the running kernel has the region that was set up. */
function storeOf(host: TestHost): Pick<Store, 'open'> {
  return {
    async open() {
      const { record } = host;
      const found = host.data.devices.find(({ device }) => device.region?.start === record?.region.start);
      if (record === null || found === undefined) return null;
      host.record = { ...record, state: 'ready' };
      return {
        kind: 'dax',
        device: found.device.path,
        mountPoint: '/store',
        physicalStart: record.region.start,
        sizeBytes: record.region.size,
        freeBytes: record.region.size,
      };
    },
  };
}

function device(fields: Partial<PmemDevice>): PmemDevice {
  return {
    name: 'pmem0',
    path: '/dev/pmem0',
    number: '259:0',
    sizeBytes: 2 * GIB,
    region: { start: 7 * GIB, end: 9 * GIB },
    source: 'emulated',
    dax: true,
    readOnly: false,
    ...fields,
  };
}

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

test('an NVDIMM that is large enough is used as it is, at once', async () => {
  const nvdimm = device({ source: 'nvdimm', region: { start: 16 * GIB, end: 20 * GIB }, sizeBytes: 4 * GIB });
  host.data = { ...host.data, devices: [{ device: nvdimm, content: null }] };
  expect(await setup.run(3 * GIB)).toEqual({
    state: 'ready',
    region: { start: 16 * GIB, size: 4 * GIB },
    source: 'nvdimm',
    changedFiles: [],
    message: 'The store is ready: 4G at 0x400000000.',
  });
  expect((await setup.undo()).message).toBe('The store is given up.');
  expect(await setup.run(3 * GIB)).toMatchObject({ state: 'ready', source: 'nvdimm' });
});

test('on an NVDIMM, too, memory for a crash kernel reaches the boot loader, and goes again', async () => {
  const nvdimm = device({ source: 'nvdimm', region: { start: 16 * GIB, end: 20 * GIB }, sizeBytes: 4 * GIB });
  host.data = { ...host.data, devices: [{ device: nvdimm, content: null }] };
  let further = ['crashkernel=256M'];
  setup = createSetup(storeOf(host), host, () => further);
  const dropIn = host.file('etc/default/grub.d/exuvia.cfg');
  const withCrashKernel = {
    state: 'ready',
    changedFiles: [dropIn],
    message:
      'The store is ready: 4G at 0x400000000. crashkernel=256M is on the kernel command line from the next boot on.',
  };
  expect(await setup.run(3 * GIB)).toMatchObject(withCrashKernel);
  expect(await setup.run(3 * GIB)).toMatchObject(withCrashKernel);
  expect(await readFile(dropIn, 'utf8')).toBe('crashkernel=256M');
  further = [];
  expect(await setup.run(3 * GIB)).toMatchObject({ state: 'ready', changedFiles: [] });
  expect(await readIfExists(dropIn)).toBeNull();
  further = ['crashkernel=256M'];
  await setup.run(3 * GIB);
  expect((await setup.undo()).message).toBe('The store is given up.');
  expect(await readIfExists(dropIn)).toBeNull();
});

test('an NVDIMM is not taken when the boot loader does not take the arguments', async () => {
  const nvdimm = device({ source: 'nvdimm', region: { start: 16 * GIB, end: 20 * GIB }, sizeBytes: 4 * GIB });
  host.data = { ...host.data, devices: [{ device: nvdimm, content: null }] };
  setup = createSetup(storeOf(host), host, () => ['crashkernel=256M']);
  host.fail = true;
  await expect(setup.run(3 * GIB)).rejects.toMatchObject({ code: 'boot-loader-failed' });
  expect((await setup.undo()).message).toBe('No store is set up; nothing was changed.');
  host.fail = false;
  host.loader = null;
  expect((await setup.run(3 * GIB)).message).toContain(
    'Put crashkernel=256M on the kernel command line yourself.',
  );
});

test("a region that the operator's own memmap has made can be taken again after it was given up", async () => {
  host.data = { ...host.data, iomem: IOMEM_WITH_REGION, devices: [{ device: device({}), content: null }] };
  await setup.run(GIB);
  await setup.undo();
  expect(await setup.run(GIB)).toMatchObject({ state: 'ready', region: { start: 7 * GIB, size: 2 * GIB } });
});

test('an NVDIMM in raw mode, too small, or with data on it is left alone', async () => {
  const base = { source: 'nvdimm', region: { start: 16 * GIB, end: 20 * GIB }, sizeBytes: 4 * GIB } as const;
  const xfs = { type: 'xfs', usage: 'filesystem', label: null, uuid: null, partitionTable: null };
  host.data = {
    ...host.data,
    devices: [
      { device: device({ ...base, dax: false }), content: null },
      { device: device({ ...base, sizeBytes: GIB }), content: null },
      { device: device({ ...base }), content: xfs },
    ],
  };
  expect((await setup.run(2 * GIB)).source).toBe('memmap');
});

test("a region that the operator's own memmap has made is used as it is", async () => {
  host.data = { ...host.data, iomem: IOMEM_WITH_REGION, devices: [{ device: device({}), content: null }] };
  expect(await setup.run(GIB)).toMatchObject({ state: 'ready', source: 'memmap', changedFiles: [] });
  expect(await setup.run(GIB)).toMatchObject({ state: 'ready', region: { start: 7 * GIB, size: 2 * GIB } });
});

test('a range that the firmware declares persistent is used whole', async () => {
  const firmware: TypedRange[] = [...FIRMWARE, { start: 0x880000000, end: 0x2800000000, type: 'pmem' }];
  host.data = { ...host.data, firmware };
  expect(await setup.run(2 * GIB)).toMatchObject({
    state: 'reboot-needed',
    source: 'type-7',
    region: { start: 0x880000000, size: 126 * GIB },
  });
  expect(await readFile(host.file('etc/default/grub.d/exuvia.cfg'), 'utf8')).toBe('memmap=126G!34G');
});

test('of a persistent range no more is used than there is RAM for its memory map', async () => {
  const range = { start: 0x8000000000, end: 0x18000000000 };
  host.data = { ...host.data, firmware: [...FIRMWARE, { ...range, type: 'pmem' }] };
  // 64 times what is left of 8 GiB without 1 GiB and what the firmware keeps.
  expect((await setup.run(2 * GIB)).region).toEqual({ start: range.start, size: 458718 * 2 ** 20 });
});

const PMEM_RANGE = { start: 0x880000000, end: 0x2800000000 };
const PMEM_ENTRY = { ...PMEM_RANGE, name: 'Persistent Memory', depth: 0 };

test.each([
  ['a namespace in devdax mode', [{ ...PMEM_RANGE, name: 'dax0.0', depth: 1 }], []],
  ['a disabled namespace of an NVDIMM', [], [PMEM_RANGE]],
])('a persistent range with %s is left alone, and it is said how to look', async (_, children, nvdimms) => {
  host.data = {
    ...host.data,
    iomem: [...IOMEM, PMEM_ENTRY, ...children],
    firmware: [...FIRMWARE, { ...PMEM_RANGE, type: 'pmem' }],
    nvdimms,
  };
  const about =
    'Persistent memory at 0x880000000 is in use or belongs to an NVDIMM and was left alone: see ndctl list -NRui. A namespace in fsdax mode that holds nothing can be the store.';
  const result = await setup.run(2 * GIB);
  expect(result).toMatchObject({ source: 'memmap', region: { start: 7 * GIB } });
  expect(result.message).toContain(` ${about}`);
  await setup.undo();
  await expect(setup.run(100 * GIB)).rejects.toMatchObject({
    code: 'setup-impossible',
    hint: expect.stringContaining(about),
  });
});

test('a persistent range that an undone setup had taken is free again', async () => {
  host.data = { ...host.data, firmware: [...FIRMWARE, { ...PMEM_RANGE, type: 'pmem' }] };
  await setup.run(2 * GIB);
  const region = { start: PMEM_RANGE.start, end: PMEM_RANGE.end };
  host.data = {
    ...host.data,
    iomem: [
      ...IOMEM,
      { ...region, name: 'Persistent Memory (legacy)', depth: 0 },
      { ...region, name: 'namespace0.0', depth: 1 },
    ],
    devices: [{ device: device({ region, sizeBytes: 126 * GIB }), content: null }],
  };
  await setup.undo();
  expect((await setup.run(2 * GIB)).source).toBe('type-7');
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
