import { readFile } from 'node:fs/promises';
import { readIfExists, type TypedRange } from '@exuvia/sys';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { beforeEach, expect, test } from 'vitest';
import { device, FIRMWARE, GIB, IOMEM, IOMEM_WITH_REGION, storeOf, TestHost } from './host.testing.ts';
import { createSetup } from './setup.ts';

let host: TestHost;
let setup: ReturnType<typeof createSetup>;
beforeEach(async () => {
  host = new TestHost(await temporaryDirectory());
  setup = createSetup(storeOf(host), host);
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

test('what an earlier setup put on the command line stays noted as added, until setup is undone', async () => {
  const nvdimm = device({ source: 'nvdimm', region: { start: 16 * GIB, end: 20 * GIB }, sizeBytes: 4 * GIB });
  host.data = { ...host.data, devices: [{ device: nvdimm, content: null }] };
  let further = ['crashkernel=256M'];
  setup = createSetup(storeOf(host), host, () => further);
  await setup.run(3 * GIB);
  further = ['nokaslr'];
  await setup.run(3 * GIB);
  expect((await host.readRecord())?.before).toMatchObject([{ added: ['crashkernel=256M', 'nokaslr'] }]);
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
