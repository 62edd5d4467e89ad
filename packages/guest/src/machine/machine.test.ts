import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { access, readdir, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { startCommandLine } from '@exuvia/qemu';
import { COUNTING_GUEST_PAGE, findQemu, makeTestRoom, type TestRoom } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { GdbConnection } from './gdb/connection.ts';
import { packet } from './gdb/packets.ts';
import { type GuestMachine, openMachine } from './machine.ts';
import type { SwitchPlan } from './stop-program/plan.ts';

const qemu = await findQemu();
if ('missing' in qemu) console.warn(`Stopping a VM is not tested: ${qemu.missing}`);

/** Rounds that the guest has counted, as its memory says. */
const SEQUENCE = COUNTING_GUEST_PAGE + 24;
/** Memory that this guest does not use. */
const FREE = 0x30_0000;

describe.skipIf('missing' in qemu)('a VM that is stopped', () => {
  let room: TestRoom;
  let machine: GuestMachine;

  beforeEach(async () => {
    room = await makeTestRoom('machine');
    const binary = 'binary' in qemu ? qemu.binary : '';
    room.spawn(startCommandLine(room.spec, room.paths, { binary, accelerator: 'tcg' }));
    (await room.connect()).close();
    machine = await openMachine(room.paths.qmp);
  });
  afterEach(async () => {
    await machine.close();
    await room.remove();
  });

  const sequence = () => machine.physical.read(SEQUENCE, 4).readUInt32LE(0);
  const goesOn = async () => {
    const before = sequence();
    await expect.poll(sequence, { timeout: 20_000 }).not.toBe(before);
  };
  const command = (line: string) => machine.qmp.execute('human-monitor-command', { 'command-line': line });
  const gdbservers = async () =>
    (await machine.qmp.execute('query-chardev')).filter(({ label }) => label === 'gdb');
  const isRunning = async () => (await machine.qmp.execute('query-status')).running;

  test('is seen as it stands, written to, and goes on', async () => {
    await goesOn();
    const bytes = Buffer.from('e9deadbeef', 'hex');
    const { seen } = await machine.stop({
      reads: [{ physical: SEQUENCE, length: 4 }],
      decide: ({ registers, memory }) => {
        expect(registers).toHaveLength(1);
        expect(memory[0]?.readUInt32LE(0)).toBe(sequence());
        return [{ physical: FREE, bytes }];
      },
    });
    expect(seen.registers[0]?.rip).toBeGreaterThan(0x10_0000n);
    expect(machine.physical.read(FREE, 5)).toEqual(bytes);
    await goesOn();
  });

  describe('by a decision that is known beforehand', () => {
    const jump = Buffer.from('e9deadbeef', 'hex');
    const plan: SwitchPlan = {
      wanted: [{ physical: FREE, bytes: Buffer.alloc(5) }],
      avoided: [{ start: 0x7fff_0000n, end: 0x8000_0000n }],
      writes: [{ physical: FREE, bytes: jump }],
    };

    test('is written to when everything is as it has to be', async () => {
      const before = process.hrtime.bigint();
      const { outcome, ran, from, to } = await machine.switch(plan);
      expect({ outcome, ran }).toEqual({ outcome: { kind: 'done' }, ran: true });
      expect([before < from, from < to, to < process.hrtime.bigint()]).toEqual([true, true, true]);
      expect(machine.physical.read(FREE, 5)).toEqual(jump);
      await goesOn();
    });

    test('is left as it is when a processor is in the wrong place, or memory holds something else', async () => {
      const everywhere = [...plan.avoided, { start: 0n, end: 0xffff_ffffn }];
      expect((await machine.switch({ ...plan, avoided: everywhere })).outcome).toEqual({
        ...{ kind: 'busy', avoided: 1 },
      });
      expect((await machine.switch({ ...plan, wanted: [{ physical: FREE, bytes: jump }] })).outcome).toEqual({
        ...{ kind: 'changed', wanted: 0, holds: '0000000000' },
      });
      expect(machine.physical.read(FREE, 5)).toEqual(Buffer.alloc(5));
      await goesOn();
    });

    test('takes more than fits into one send, and stands afterwards if it stood before', async () => {
      const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
      await machine.qmp.execute('stop');
      const { outcome, ran } = await machine.switch({ ...plan, writes: [{ physical: FREE, bytes }] });
      expect({ outcome, ran }).toEqual({ outcome: { kind: 'done' }, ran: false });
      expect(machine.physical.read(FREE, bytes.length)).toEqual(bytes);
      expect(await isRunning()).toBe(false);
      await machine.qmp.execute('cont');
      expect((await machine.stop({ reads: [], decide: () => [] })).seen.registers).toHaveLength(1);
      await goesOn();
    });

    test('names what QEMU did not write', async () => {
      const writes = [{ physical: 2 ** 45, bytes: Buffer.of(1) }];
      await expect(machine.switch({ ...plan, wanted: [], writes })).rejects.toMatchObject({
        code: 'guest-write-lost',
        message: expect.stringContaining('0x200000000000'),
      });
      await goesOn();
    });

    test('goes on when the program that carries it out is killed', async () => {
      await machine.prepare();
      const { stdout } = await run('pgrep', ['--parent', String(process.pid), 'exuvia-guest-s']);
      process.kill(Number(stdout), 'SIGKILL');
      await expect(machine.switch(plan)).rejects.toMatchObject({ code: 'guest-gdb-stopper' });
      expect(await gdbservers()).toEqual([]);
      await goesOn();
      expect((await machine.switch(plan)).outcome).toEqual({ kind: 'done' });
    });
  });

  test('takes more than fits into one send', async () => {
    const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
    await machine.stop({ reads: [], decide: () => [{ physical: FREE, bytes }] });
    expect(machine.physical.read(FREE, bytes.length)).toEqual(bytes);
    await goesOn();
  });

  test('goes on when what was to be done in the stop fails', async () => {
    const failing = machine.stop({
      reads: [],
      decide: () => {
        throw new RangeError('no');
      },
    });
    await expect(failing).rejects.toThrow(RangeError);
    const waiting = machine.whileStopped(() => Promise.reject(new RangeError('never')));
    await expect(waiting).rejects.toThrow('never');
    await goesOn();
  });

  test('stands afterwards if it stood before', async () => {
    await machine.qmp.execute('stop');
    const stopped = sequence();
    await machine.stop({ reads: [], decide: () => [{ physical: FREE, bytes: Buffer.of(1) }] });
    const { result } = await machine.whileStopped(async ({ registers }) => registers.length);
    expect(result).toBe(1);
    expect(await isRunning()).toBe(false);
    expect(sequence()).toBe(stopped);
    expect(machine.physical.read(FREE, 1)).toEqual(Buffer.of(1));
    await machine.qmp.execute('cont');
    await machine.stopForNothing();
    await goesOn();
  });

  test('that somebody else stops and lets go on meanwhile is stopped again as before', async () => {
    for (let round = 0; round < 5; round++) {
      await machine.stop({ reads: [], decide: () => [{ physical: FREE, bytes: Buffer.of(round) }] });
      await machine.qmp.execute('stop');
      await machine.qmp.execute('cont');
    }
    await machine.stopForNothing();
    expect(machine.physical.read(FREE, 1)).toEqual(Buffer.of(4));
    await goesOn();
  });

  test('has a control channel only as long as it is wanted', async () => {
    const folder = dirname(room.paths.qmp);
    const before = await readdir(folder);
    expect(await gdbservers()).toEqual([]);
    await machine.prepare();
    expect(await gdbservers()).toHaveLength(1);
    await machine.release();
    expect(await gdbservers()).toEqual([]);
    expect(await readdir(folder)).toEqual(before);
    await machine.stopForNothing();
    await machine.release();
    expect(await gdbservers()).toEqual([]);
    await goesOn();
  });

  test('keeps a gdbserver that it had, with its addressing', async () => {
    const path = join(room.directory, 'own-gdb.sock');
    await command(`gdbserver unix:${path},server=on,wait=off`);
    await machine.stop({ reads: [], decide: () => [{ physical: FREE, bytes: Buffer.of(9) }] });
    await machine.release();
    expect((await gdbservers())[0]?.filename).toContain(path);
    const debuggerSocket = createConnection(path);
    const said: string[] = [];
    debuggerSocket.on('data', (chunk) => said.push(String(chunk)));
    await expect.poll(isRunning).toBe(false);
    debuggerSocket.write(`+${packet('qqemu.PhyMemMode')}`);
    await expect.poll(() => said.join('')).toContain(`+${packet('0')}`);
    debuggerSocket.destroy();
    await machine.qmp.execute('cont');
  });

  test('is refused while somebody debugs it', async () => {
    const path = join(room.directory, 'own-gdb.sock');
    await command(`gdbserver unix:${path},server=on,wait=off`);
    const debuggerSocket = createConnection(path);
    await once(debuggerSocket, 'connect');
    await expect.poll(isRunning).toBe(false);
    await expect(machine.stopForNothing()).rejects.toMatchObject({ code: 'guest-gdb-busy' });
    debuggerSocket.destroy();
  });

  test('is known to stand because of the tool, however late QEMU tells that it went on before', async () => {
    await machine.close();
    const slow = join(room.directory, 'slow.sock');
    const server = createServer((client) => tellLate(createConnection(room.paths.qmp), client, 'RESUME'));
    onTestFinished(() => {
      server.close();
      vi.restoreAllMocks();
    });
    server.listen(slow);
    await once(server, 'listening');
    machine = await openMachine(slow);
    const expectAnswers = GdbConnection.prototype.expect;
    vi.spyOn(GdbConnection.prototype, 'expect').mockImplementationOnce(async function (
      this: GdbConnection,
      ...wanted
    ) {
      const answers = await expectAnswers.apply(this, wanted);
      await wait(100);
      return answers;
    });
    let mark = '';
    await machine.stop({
      reads: [],
      decide: () => {
        mark = readFileSync(`${slow}.exuvia-gdb.stopped`, 'latin1');
        return [];
      },
    });
    expect(mark).toBe('1');
  });

  test('goes on, without a control channel, when the tool is killed in the middle of the stop', async () => {
    await machine.close();
    const killed = `
      const { openMachine } = await import(${JSON.stringify(join(import.meta.dirname, 'machine.ts'))});
      const machine = await openMachine(${JSON.stringify(room.paths.qmp)});
      await machine.stop({ reads: [], decide: () => process.kill(process.pid, 'SIGKILL') });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', killed], { stdio: 'inherit' });
    const [, signal] = await once(child, 'exit');
    expect(signal).toBe('SIGKILL');
    await expect
      .poll(
        () =>
          access(`${room.paths.qmp}.exuvia-gdb.stopped`).then(
            () => 'there',
            () => 'gone',
          ),
        {
          timeout: 20_000,
        },
      )
      .toBe('gone');
    machine = await openMachine(room.paths.qmp);
    expect(await isRunning()).toBe(true);
    expect(await gdbservers()).toEqual([]);
    await goesOn();
  });

  test('goes on at the next connection when the tool was killed together with its guard', async () => {
    await machine.prepare();
    await command('gdbserver none');
    await machine.close();
    const qmp = room.paths.qmp;
    machine = await openMachine(qmp);
    await command(`gdbserver unix:${qmp}.exuvia-gdb,server=on,wait=off`);
    await machine.qmp.execute('stop');
    await machine.close();
    await writeFile(`${qmp}.exuvia-gdb.stopped`, '1');
    machine = await openMachine(qmp);
    expect(await gdbservers()).toEqual([]);
    expect(await isRunning()).toBe(true);
    await goesOn();
  });
});

/** A monitor that is in no hurry to tell an event: what it says afterwards waits as well, as in QEMU. */
async function tellLate(monitor: Socket, client: Socket, event: string): Promise<void> {
  client.pipe(monitor);
  client.on('error', () => monitor.destroy());
  client.on('close', () => monitor.destroy());
  for await (const line of createInterface({ input: monitor })) {
    if (line.includes(`"event": "${event}"`)) await wait(500);
    client.write(`${line}\n`);
  }
  client.destroy();
}
