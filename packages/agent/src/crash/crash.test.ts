import { agentConfigSchema } from '@exuvia/contract';
import { parseBootLogMap } from '@exuvia/sys';
import { expect, test } from 'vitest';
import { FakeVms, fakeVm } from '../testing/fakes.ts';
import { createCrashRecovery } from './index.ts';
import { exactMap } from './memory-map.ts';
import type { Crash } from './record.ts';

const NOW = new Date('2026-11-21T12:00:00.000Z');

/** A machine whose kernel has crashed so often in a row; the lab's tests crash a real one. */
function after(crashes: number, vms: FakeVms, earlier: Crash[] = []) {
  const written = [...earlier];
  const logged: string[] = [];
  const recovery = createCrashRecovery({
    vms,
    now: () => NOW,
    config: () => agentConfigSchema.parse({}),
    log: (message) => logged.push(message),
    host: {
      crashesInARow: async () => crashes,
      kernel: () => '6.12.1',
      read: async () => written,
      append: async (crash) => void written.push(crash),
    },
  });
  return { recovery, written, logged };
}

const crashAt = (minutesAgo: number, bootId: string): Crash => ({
  at: new Date(NOW.getTime() - minutesAgo * 60_000).toISOString(),
  bootId,
  kernel: '6.12.1',
  vms: [],
});

const LOST = 'VM db ran when the kernel crashed: the state of its vCPUs was lost with that kernel';

test('a boot that no crash led to leaves the VMs alone', async () => {
  const vms = new FakeVms(fakeVm('db', { state: 'failed' }));
  const { recovery, written } = after(0, vms);
  await recovery.takeUp('boot-2');
  expect([vms.events, written]).toEqual([[], []]);
});

test('after a crash saved VMs run on, those that ran are started again and it is said what they lost', async () => {
  const vms = new FakeVms(
    fakeVm('web', { state: 'failed', saved: true }),
    fakeVm('db', { state: 'failed' }),
    fakeVm('off', { state: 'stopped' }),
  );
  const { recovery, written, logged } = after(1, vms);
  await recovery.takeUp('boot-2');
  expect(vms.events).toEqual(['recover web', 'start db']);
  expect(logged).toEqual([
    'VM web was saved when the kernel crashed; it runs on.',
    `${LOST}. It was started again from its disks, which are as they were.`,
  ]);
  expect(written.at(-1)).toMatchObject({
    bootId: 'boot-2',
    vms: [
      { name: 'web', outcome: 'restored' },
      { name: 'db', outcome: 'restarted' },
    ],
  });
  await recovery.takeUp('boot-2');
  expect(vms.events).toHaveLength(2);
});

test('an agent that died while it took VMs up is followed by one that goes on', async () => {
  const vms = new FakeVms(fakeVm('web'), fakeVm('db', { state: 'failed' }));
  const { recovery, written } = after(1, vms, [crashAt(1, 'boot-2')]);
  await recovery.takeUp('boot-2');
  expect(vms.events).toEqual(['start db']);
  expect(written).toHaveLength(2);
  expect(written.at(-1)).toMatchObject({ bootId: 'boot-2', vms: [{ name: 'db', outcome: 'restarted' }] });
  await recovery.takeUp('boot-2');
  expect(vms.events).toHaveLength(1);
});

test('a state that cannot be restored is kept, and the other VMs do not wait for it', async () => {
  const vms = new FakeVms(fakeVm('bad', { state: 'failed', saved: true }), fakeVm('db', { state: 'failed' }));
  vms.recover = async () => {
    throw new Error('It is damaged.');
  };
  const { recovery, written } = after(1, vms);
  await recovery.takeUp('boot-2');
  expect(written.at(-1)?.vms.map(({ outcome }) => outcome)).toEqual(['kept', 'restarted']);
});

test('the third crash within half an hour starts nothing any more; an older one does not count', async () => {
  const loop = after(3, new FakeVms(fakeVm('db', { state: 'failed' })), [crashAt(20, 'a'), crashAt(10, 'b')]);
  expect(await loop.recovery.takeUp('boot-4')).toBe(true);
  expect(loop.logged).toEqual([
    `${LOST}. It is not started: the kernel has crashed three times within half an hour.`,
  ]);
  const older = after(3, new FakeVms(fakeVm('db', { state: 'failed' })), [
    crashAt(31, 'a'),
    crashAt(10, 'b'),
  ]);
  expect(await older.recovery.takeUp('boot-4')).toBe(false);
  expect(older.written.at(-1)?.vms.map(({ outcome }) => outcome)).toEqual(['restarted']);
});

test('the memory of the machine is told to the next kernel whole, without what is not worth an argument', () => {
  const firmware = parseBootLogMap(`
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
BIOS-e820: [mem 0x0000000000100000-0x00000000007fffff] usable
BIOS-e820: [mem 0x0000000000800000-0x0000000000807fff] ACPI NVS
BIOS-e820: [mem 0x0000000000808000-0x000000000080afff] usable
BIOS-e820: [mem 0x0000000000900000-0x000000007ed3efff] usable
BIOS-e820: [mem 0x000000007ed3f000-0x000000007edfffff] reserved
BIOS-e820: [mem 0x0000000100000000-0x00000001bfffffff] usable
`);
  expect(exactMap(firmware)).toEqual([
    'memmap=exactmap',
    'memmap=0xa0000@0x0',
    'memmap=0x700000@0x100000',
    'memmap=0x8000#0x800000',
    'memmap=0x7e43f000@0x900000',
    'memmap=0xc1000$0x7ed3f000',
    'memmap=0xc0000000@0x100000000',
  ]);
  expect(() => exactMap([])).toThrow('The kernel does not show the firmware’s memory map.');
});
