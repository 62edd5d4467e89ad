import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nicsOf, type VmSpec } from '@exuvia/contract';
import { findQemu } from '@exuvia/qemu/testing';
import { hostNetwork, run } from '@exuvia/sys';
import {
  type LanClient,
  makeNamespace,
  namespacesMissing,
  startLanClient,
  type TestNamespace,
} from '@exuvia/sys/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTransfer } from '../../handover/vmm/transfer-program.ts';
import { findGuestKernels, makeLinuxGuest } from '../../testing/linux-guest.ts';
import { findNewQemu, writeQemuScript } from '../../testing/new-qemu.ts';
import type { QemuVms } from './manager.ts';
import { removeOrphanTaps } from './taps.ts';
import { createVm, makeTestHost, type TestHost } from './test-room.ts';

const GUEST = '10.77.0.11';
const OUTSIDE = '10.77.0.1';
const BOOT_LIMIT_MS = 90_000;
const LIMIT_MS = 30_000;
const TEST_LIMIT_MS = 180_000;

const qemu = await findQemu();
const [kernel] = await findGuestKernels();
const newQemu = await findNewQemu();
const missing =
  'missing' in qemu
    ? qemu.missing
    : (namespacesMissing() ??
      (kernel === undefined || newQemu === null ? 'The lab has no root file system yet.' : null));
if (missing !== null) console.warn(`The network of VMs is not tested: ${missing}`);
const binary = 'binary' in qemu ? qemu.binary : '';

let host: TestHost;
let outside: TestNamespace;
let manager: QemuVms;
let client: LanClient | null;
beforeEach(async () => {
  outside = await makeNamespace('vms');
  await outside.ip('link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0');
  await outside.ip('address', 'add', `${OUTSIDE}/24`, 'dev', 'br0');
  await outside.ip('link', 'set', 'br0', 'up');
  host = await makeTestHost(binary, outside.name);
  manager = host.manager({ allowExec: true });
  client = null;
});
afterEach(async () => {
  client?.kill();
  await host.remove();
  await outside.remove();
});

/** A guest with a real kernel on the bridge, that speaks with a client outside. */
async function conversing(model: 'virtio' | 'vmxnet3'): Promise<VmSpec> {
  const folder = dirname(host.dependencies.specs);
  const guest = await makeLinuxGuest(kernel ?? { root: '', release: '' }, folder);
  const cmdline = `console=ttyS0 quiet panic=-1 address=${GUEST} peer=${OUTSIDE}`;
  const spec = host.spec('web', {
    memory: '128M',
    boot: { ...guest, cmdline },
    networks: [{ bridge: 'br0', model }],
  });
  await manager.create(spec);
  await manager.start('web');
  client = startLanClient(outside.name, GUEST, OUTSIDE);
  await client.more(100, BOOT_LIMIT_MS);
  return spec;
}

const tapOf = (spec: VmSpec) => nicsOf(spec)[0]?.tap?.name ?? '';
/** How often the tap has gained or lost somebody who holds it open. */
async function carrierChanges(spec: VmSpec): Promise<string> {
  const file = `/sys/class/net/${tapOf(spec)}/carrier_changes`;
  return (await run('ip', ['netns', 'exec', outside.name, 'cat', file])).stdout;
}

const links = () => hostNetwork(outside.name).links();

async function expectNothingLost(): Promise<void> {
  const seen = (await client?.finish()) ?? [];
  expect(seen).toHaveLength(2);
  for (const { sent, received, wrong, heard, misheard, end } of seen) {
    expect({ wrong, misheard, end, heard }).toEqual({ wrong: 0, misheard: 0, end: 'closed', heard: sent });
    expect(received).toBeGreaterThan(100);
  }
}

describe.skipIf(missing !== null)('a VM on a bridge', { timeout: TEST_LIMIT_MS }, () => {
  test('its connections live through other QEMUs that take its place, and its tap never goes down', async () => {
    const spec = await conversing('vmxnet3');
    const before = await carrierChanges(spec);
    const newBinary = join(dirname(host.dependencies.specs), 'new', 'qemu-system-x86_64');
    await writeQemuScript(newBinary, newQemu ?? '');
    for (const next of [binary, newBinary]) {
      await move('web', next);
      await client?.more(200, LIMIT_MS);
    }
    await manager.successors.exec('web', newBinary);
    await client?.more(200, LIMIT_MS);
    expect(await carrierChanges(spec)).toBe(before);
    await manager.saveInPlace('web');
    await manager.endSaved('web');
    await manager.restoreInPlace('web', { binary });
    await client?.more(200, LIMIT_MS);
    await expectNothingLost();
  });

  test('so do those of virtio, through another QEMU of the same build and one that loads its state', async () => {
    const spec = await conversing('virtio');
    const before = await carrierChanges(spec);
    await move('web', binary);
    await client?.more(200, LIMIT_MS);
    expect(await carrierChanges(spec)).toBe(before);
    await manager.saveInPlace('web');
    await manager.endSaved('web');
    expect(await links()).toContainEqual(expect.objectContaining({ name: tapOf(spec), master: 'br0' }));
    await manager.restoreInPlace('web');
    await client?.more(200, LIMIT_MS);
    await expectNothingLost();
    await manager.stop('web', { timeoutMs: 0 });
    expect((await links()).map(({ name }) => name)).toEqual(['lo', 'br0']);
  });

  test('it is not started without its bridge, and nothing is left of the attempt', async () => {
    const spec = host.spec('web', { networks: [{ bridge: 'br9' }] });
    await manager.create(spec);
    await expect(manager.start('web')).rejects.toMatchObject({
      code: 'bridge-missing',
      message: 'VM web needs the bridge br9, which does not exist.',
    });
    expect((await links()).map(({ name }) => name)).toEqual(['lo', 'br0']);
    expect(await manager.checks('web')).toContainEqual({
      id: 'vm-network',
      subject: 'web',
      verdict: 'warn',
      reason: 'Its bridge br9 does not exist: it cannot be started.',
      remedy: 'Make the bridge, or change `networks` in its spec.',
    });
  });

  test('a tap that has lost its bridge is told, and given back by the next agent; those of nobody are removed', async () => {
    const spec = await createVm(manager, host.spec('web', { networks: [{ bridge: 'br0' }, { user: true }] }));
    await manager.start('web');
    expect((await manager.get('web')).nics).toEqual([
      { mac: nicsOf(spec)[0]?.mac, bridge: 'br0', tap: tapOf(spec) },
      { mac: nicsOf(spec)[1]?.mac, bridge: null, tap: null },
    ]);
    await outside.ip('link', 'set', tapOf(spec), 'nomaster');
    expect((await manager.checks('web')).find(({ id }) => id === 'vm-network')).toMatchObject({
      verdict: 'warn',
      reason: `Its tap ${tapOf(spec)} is not a port of bridge br0: the guest reaches nobody there.`,
    });
    const next = host.manager();
    await manager.close();
    // As if the store were not mounted: what a QEMU has open is not nobody's.
    await removeOrphanTaps([], host.dependencies.network);
    expect((await links()).map(({ name }) => name)).toEqual(['lo', 'br0', tapOf(spec)]);
    await outside.ip('tuntap', 'add', 'exv00000000n0', 'mode', 'tap');
    await next.adopt();
    expect((await links()).map(({ name, master }) => [name, master])).toEqual([
      ['lo', null],
      ['br0', null],
      [tapOf(spec), 'br0'],
    ]);
    expect((await next.checks('web')).find(({ id }) => id === 'vm-network')).toMatchObject({
      verdict: 'warn',
      reason: 'Connections through its user-mode NIC end with the QEMU that they go through.',
    });
  });
});

async function move(name: string, next: string): Promise<void> {
  const folder = dirname(host.dependencies.specs);
  const program = join(folder, 'exuvia-transfer');
  const native = join(import.meta.dirname, '../../../../../native');
  const source = join(native, 'transfer/exuvia-transfer.c');
  if (await access(program).catch(() => true))
    await run('cc', ['-O2', '-D_GNU_SOURCE', '-I', join(native, 'common'), '-o', program, source]);
  const successor = await manager.successors.start(name, next);
  const record = join(folder, 'record');
  const transfer = startTransfer({ vm: name, successor, record, hold: false, program, log: () => {} });
  await transfer.ready();
  await client?.more(20, LIMIT_MS);
  await transfer.move(async () => {});
  await manager.successors.install(name, next);
}
