import { access, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findQemu } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findNewQemu, writeQemuScript } from '../../testing/new-qemu.ts';
import type { QemuVms } from '../../workload/vm/manager.ts';
import { createVm, makeTestHost, nextHeartbeat, type TestHost } from '../../workload/vm/test-room.ts';
import { startTransfer } from './transfer-program.ts';

const qemu = await findQemu();
const found = await findNewQemu();
const missing = 'missing' in qemu ? qemu.missing : found === null ? 'The lab has no second QEMU yet.' : null;
if (missing !== null) console.warn(`Two builds of QEMU are not tested: ${missing}`);
const oldBinary = 'binary' in qemu ? qemu.binary : '';

let host: TestHost;
let manager: QemuVms;
let newBinary: string;
let transfer: string;
beforeEach(async () => {
  host = await makeTestHost(oldBinary);
  const folder = dirname(host.dependencies.specs);
  newBinary = join(folder, 'new', 'qemu-system-x86_64');
  transfer = join(folder, 'exuvia-transfer');
  const native = join(import.meta.dirname, '../../../../../native');
  const source = join(native, 'transfer/exuvia-transfer.c');
  await run('cc', ['-O2', '-D_GNU_SOURCE', '-I', join(native, 'common'), '-o', transfer, source]);
  await writeQemuScript(newBinary, found ?? '');
});
afterEach(() => host.remove());

/** What a device of one build offers a guest must fit that of the other. */
async function emptyDisk(): Promise<{ file: string; format: 'raw' }> {
  const file = join(dirname(host.dependencies.specs), 'disk');
  await writeFile(file, '');
  await truncate(file, 16 << 20);
  return { file, format: 'raw' };
}

const beyond = (sequence: bigint) => nextHeartbeat(manager, 'web', sequence);

async function livesOn(before: { sequence: bigint; bootId: string }) {
  expect(await beyond(before.sequence + 768n)).toMatchObject({ bootId: before.bootId, errors: 0n });
}

const version = async () => (await manager.runningQemu('web'))?.version ?? '';

/** Moves the VM into the new build by cpr-transfer. */
async function move(): Promise<void> {
  const successor = await manager.successors.start('web', newBinary);
  const record = join(dirname(host.dependencies.specs), 'record');
  const program = startTransfer({
    vm: 'web',
    successor,
    record,
    hold: false,
    program: transfer,
    log: () => {},
  });
  await program.ready();
  await program.move(async () => {});
  await manager.successors.install('web', newBinary);
}

describe.skipIf(missing !== null)('a VM and two builds of QEMU', () => {
  test('it moves into the newer one while it runs, and back beside its memory', async () => {
    manager = host.manager();
    await createVm(manager, host.spec('web', { disks: [await emptyDisk()] }));
    await manager.start('web');
    const old = await version();
    const before = await beyond(0n);
    await move();
    expect(Number.parseInt(await version(), 10)).toBeGreaterThan(Number.parseInt(old, 10));
    await livesOn(before);

    const there = await beyond(0n);
    await manager.saveInPlace('web');
    await manager.endSaved('web');
    expect(await manager.restoreInPlace('web', { binary: oldBinary })).toMatchObject({ state: 'running' });
    expect(await version()).toBe(old);
    await livesOn(there);
    await expect(access(host.dependencies.paths('web').deviceState)).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  test('the older one refuses to take it over, and it runs on in the newer one', async () => {
    manager = host.manager();
    await createVm(manager, host.spec('web', { disks: [await emptyDisk()] }));
    await manager.start('web');
    await move();
    const before = await beyond(0n);
    const there = await version();
    const successor = await manager.successors.start('web', oldBinary);
    const record = join(dirname(host.dependencies.specs), 'record');
    const program = startTransfer({
      vm: 'web',
      successor,
      record,
      hold: false,
      program: transfer,
      log: () => {},
    });
    await expect(program.ready()).rejects.toMatchObject({
      message: 'the new QEMU cannot take over: it has ended; its log says why.',
    });
    expect(await program.abort()).toEqual([]);
    await manager.successors.end('web');
    expect(await version()).toBe(there);
    await livesOn(before);
  });

  test('it lets its QEMU execute another one in its own process, where it may', async () => {
    manager = host.manager({ allowExec: true });
    await createVm(manager, host.spec('web', { disks: [await emptyDisk()] }));
    await manager.start('web');
    await move();
    const { pid } = await manager.get('web');
    const before = await beyond(0n);
    await manager.successors.exec('web', newBinary);
    expect(await manager.get('web')).toMatchObject({ state: 'running', pid });
    await livesOn(before);
  });

  test('a sandbox that forbids it makes nothing worse', async () => {
    manager = host.manager();
    await createVm(manager, host.spec('web', { disks: [await emptyDisk()] }));
    await manager.start('web');
    await move();
    const before = await beyond(0n);
    await expect(manager.successors.exec('web', newBinary)).rejects.toMatchObject({ code: 'exec-failed' });
    expect(await manager.get('web')).toMatchObject({ state: 'running' });
    await livesOn(before);
  });
});
