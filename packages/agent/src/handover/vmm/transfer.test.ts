import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient } from '@exuvia/qemu';
import { findQemu } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { QemuVms } from '../../workload/vm/manager.ts';
import { findProcess } from '../../workload/vm/process.ts';
import { createVm, makeTestHost, nextHeartbeat, type TestHost } from '../../workload/vm/test-room.ts';
import { timesOf } from './times.ts';
import { startTransfer, type TransferProgram } from './transfer-program.ts';

const qemu = await findQemu();
if ('missing' in qemu) console.warn(`The transfer between QEMUs is not tested: ${qemu.missing}`);
const binary = 'binary' in qemu ? qemu.binary : '';

let host: TestHost;
let manager: QemuVms;
let program: string;
let said: string[];
beforeEach(async () => {
  host = await makeTestHost(binary);
  manager = host.manager();
  program = join(host.dependencies.specs, '..', 'exuvia-transfer');
  const native = join(import.meta.dirname, '../../../../../native');
  const source = join(native, 'transfer/exuvia-transfer.c');
  await run('cc', ['-O2', '-D_GNU_SOURCE', '-I', join(native, 'common'), '-o', program, source]);
  said = [];
  await createVm(manager, host.spec('web'));
  await manager.start('web');
  await beyond(0n);
});
afterEach(() => host.remove());

const record = () => join(host.dependencies.specs, '..', 'record');
const pidNow = async () => (await findProcess(host.dependencies.paths('web')))?.pid ?? 0;

async function prepared(hold: boolean): Promise<{ newPid: number; transfer: TransferProgram }> {
  const successor = await manager.successors.start('web', binary);
  const log = (line: string) => void said.push(line);
  const transfer = startTransfer({ vm: 'web', successor, record: record(), hold, program, log });
  await transfer.ready();
  return { newPid: successor.pid, transfer };
}

const beyond = (sequence: bigint) => nextHeartbeat(manager, 'web', sequence);

/** The guest has gone on from `before`: same boot, and nothing of its memory is wrong. */
async function livesOn(before: { sequence: bigint; bootId: string }) {
  const beat = await beyond(before.sequence + 768n);
  expect(beat).toMatchObject({ bootId: before.bootId, errors: 0n });
}

describe.skipIf('missing' in qemu)('a running VM and another QEMU', () => {
  test('the VM moves, its sockets stay where they are, the lock goes on, and it can move again', async () => {
    let first: readonly string[] | undefined;
    for (let round = 0; round < 2; round++) {
      const oldPid = await pidNow();
      // A QEMU that is started by a script shows what the script made of its words, but always the same.
      const differences = await manager.successors.differences('web', binary);
      first ??= differences;
      expect(differences).toEqual(first);
      const { newPid, transfer } = await prepared(false);
      const before = await beyond(0n);
      await transfer.move(async () => {});
      await manager.successors.install('web', binary);
      expect(newPid).not.toBe(oldPid);
      expect(await findProcess(host.dependencies.paths('web'))).toEqual({ pid: newPid, locked: true });
      expect(await manager.get('web')).toMatchObject({ state: 'running', pid: newPid });
      await livesOn(before);
      expect(Object.keys(timesOf(await readFile(record(), 'utf8')) ?? {})).toEqual([
        'VM suspend',
        'VM save',
        'VM resume',
      ]);
    }
    await expect(manager.start('web')).rejects.toMatchObject({ code: 'vm-running' });
    expect(await manager.stop('web', { timeoutMs: 0 })).toMatchObject({ state: 'stopped' });
  });

  test('a VM that was restored from a file, as after an update by kexec, moves as well', async () => {
    const monitor = await QmpClient.connect(host.dependencies.paths('web').handoverQmp);
    await monitor.execute('migrate-set-capabilities', {
      capabilities: [{ capability: 'x-ignore-shared', state: true }],
    });
    monitor.close();
    const { newPid, transfer } = await prepared(false);
    const before = await beyond(0n);
    await transfer.move(async () => {});
    await manager.successors.install('web', binary);
    expect(await pidNow()).toBe(newPid);
    await livesOn(before);
  });

  test('an abort before the move leaves the VM in its old QEMU, and no trace of the new one', async () => {
    const oldPid = await pidNow();
    const { transfer } = await prepared(false);
    const before = await beyond(0n);
    expect(await transfer.abort()).toEqual([]);
    await manager.successors.end('web');
    expect(await pidNow()).toBe(oldPid);
    await livesOn(before);
    await expect(readFile(join(host.dependencies.paths('web').next, 'qemu.pid'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  test('an abort between the state’s arrival and the next instruction takes the VM back', async () => {
    const oldPid = await pidNow();
    const { transfer } = await prepared(true);
    const before = await beyond(0n);
    const held = Promise.withResolvers<void>();
    const moving = transfer.move(async () => {
      held.resolve();
      await new Promise(() => {});
    });
    moving.catch(() => {});
    await held.promise;
    expect(await transfer.abort()).toEqual([]);
    expect(await pidNow()).toBe(oldPid);
    await livesOn(before);
    expect(await manager.get('web')).toMatchObject({ state: 'running' });
    // Nothing keeps it from being moved now.
    const again = await prepared(false);
    await again.transfer.move(async () => {});
    await manager.successors.install('web', binary);
    await livesOn(before);
  });

  test.each(['ready', 'held'])('a new QEMU that is killed when it is %s costs nothing', async (moment) => {
    const oldPid = await pidNow();
    const { newPid, transfer } = await prepared(moment === 'held');
    const before = await beyond(0n);
    if (moment === 'ready') process.kill(newPid, 'SIGKILL');
    await expect(
      transfer.move(async () => {
        process.kill(newPid, 'SIGKILL');
        while (existsSync(`/proc/${newPid}`)) await sleep(5);
      }),
    ).rejects.toMatchObject({ code: 'pause-failed' });
    await transfer.abort();
    await manager.successors.end('web');
    expect(await pidNow()).toBe(oldPid);
    await livesOn(before);
  });

  test('a new QEMU that is not given a disk gives the VM back', async () => {
    const disk = join(dirname(host.dependencies.specs), 'disk');
    await writeFile(disk, Buffer.alloc(1 << 20));
    await createVm(manager, host.spec('disk', { disks: [{ file: disk, format: 'raw' }] }));
    await manager.start('disk');
    const successor = await manager.successors.start('disk', binary);
    const moving = startTransfer({
      ...{ vm: 'disk', successor, record: record(), hold: true, program },
      log: (line) => void said.push(line),
    });
    await moving.ready();
    // Between the two nobody holds the disk, and somebody else takes it.
    let other: ChildProcess | undefined;
    const failing = moving.move(async () => {
      const machine = ['-display', 'none', '-machine', 'q35,accel=tcg', '-S', '-monitor', 'stdio'];
      const child = spawn(binary, [...machine, '-drive', `if=virtio,format=raw,file=${disk}`]);
      other = child;
      child.stdin.write('info block\n');
      for await (const chunk of child.stdout) if (String(chunk).includes(disk)) break;
    });
    await expect(failing).rejects.toMatchObject({
      code: 'pause-failed',
      message: expect.stringMatching(/cont: .*lock/),
    });
    other?.kill('SIGKILL');
    expect(await moving.abort()).toEqual([]);
    expect(await manager.get('disk')).toMatchObject({ state: 'running' });
    expect((await findProcess(host.dependencies.paths('disk')))?.pid).not.toBe(successor.pid);
  });

  test('an old QEMU that is killed when the new one has everything is not missed', async () => {
    const { newPid, transfer } = await prepared(true);
    const before = await beyond(0n);
    const oldPid = await pidNow();
    await transfer.move(async () => {
      process.kill(oldPid, 'SIGKILL');
    });
    await manager.successors.install('web', binary);
    expect(await pidNow()).toBe(newPid);
    await livesOn(before);
  });

  test('a new QEMU that is all there is of the VM, and silent, is left alone until it answers', async () => {
    const { newPid, transfer } = await prepared(false);
    const before = await beyond(0n);
    const oldPid = await pidNow();
    await transfer.move(async () => {});
    while (existsSync(`/proc/${oldPid}`)) await sleep(5);
    // Nobody answers where its monitor was.
    const monitor = join(host.dependencies.paths('web').next, 'qmp.sock');
    await rename(monitor, `${monitor}.away`);
    await writeFile(monitor, '');
    const silent = { code: 'successor-silent', message: expect.stringContaining('is left alone') };
    await expect(manager.successors.settle('web', binary)).rejects.toMatchObject(silent);
    await expect(manager.successors.end('web')).rejects.toMatchObject(silent);
    await expect(manager.recover('web')).rejects.toMatchObject(silent);
    await rename(`${monitor}.away`, monitor);
    expect(await manager.recover('web')).toMatchObject({ state: 'running', pid: newPid });
    await livesOn(before);
  });

  test('an agent that dies when the new QEMU has everything leaves the VM running', async () => {
    const oldPid = await pidNow();
    const { transfer } = await prepared(true);
    const before = await beyond(0n);
    // What the end of the agent is for the program: the end of its input.
    const moving = transfer.move(() => transfer.abort().then(() => {}));
    await expect(moving).rejects.toThrow();
    await manager.close();
    const next = host.manager();
    expect(await next.successors.settle('web', binary)).toBe('old');
    expect(await pidNow()).toBe(oldPid);
    await livesOn(before);
  });

  test('the next agent installs a QEMU that has taken over', async () => {
    const { newPid, transfer } = await prepared(false);
    const before = await beyond(0n);
    await transfer.move(async () => {});
    await manager.close();
    const next = host.manager();
    expect(await next.successors.settle('web', binary)).toBe('new');
    expect(await next.get('web')).toMatchObject({ state: 'running', pid: newPid });
    expect(await next.successors.settle('web', binary)).toBe('old');
    await livesOn(before);
  });

  test('a QEMU that does not start is refused with what it said, and the VM runs on', async () => {
    const before = await beyond(0n);
    await expect(manager.successors.start('web', '/bin/false')).rejects.toMatchObject({
      code: 'successor-failed',
      message: 'The new QEMU of VM web did not start: it ended with 1',
    });
    await livesOn(before);
  });
});
