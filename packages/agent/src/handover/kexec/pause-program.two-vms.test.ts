import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type QmpClient, startCommandLine, undoSave } from '@exuvia/qemu';
import { findQemu, makeTestRoom, type TestRoom } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withChecksum } from './checksum.ts';
import { type PauseStep, startPause } from './pause-program.ts';

const qemu = await findQemu();
const NAMES = ['one', 'two'] as const;

interface Machine {
  readonly room: TestRoom;
  readonly agent: QmpClient;
  readonly kill: () => void;
}

/** What becomes of the other VM when a QEMU, or exuvia-pause, dies: two real QEMUs (TCG). */
describe.skipIf('missing' in qemu)(`exuvia-pause with two VMs (skipped: ${JSON.stringify(qemu)})`, () => {
  let directory: string;
  let program: string;
  let one: Machine;
  let two: Machine;
  let log: string[];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exuvia-pause-'));
    program = join(directory, 'exuvia-pause');
    const native = join(import.meta.dirname, '../../../../../native');
    const source = `${native}/pause/exuvia-pause.c`;
    await run('cc', ['-O2', '-D_GNU_SOURCE', `-I${native}/common`, '-o', program, source]);
  });
  afterAll(() => rm(directory, { recursive: true }));

  beforeEach(async () => {
    log = [];
    [one, two] = [await machine('one'), await machine('two')];
  });
  afterEach(async () => {
    for (const { agent, room } of [one, two]) {
      agent.close();
      await room.remove();
    }
  });

  async function machine(name: (typeof NAMES)[number]): Promise<Machine> {
    const room = await makeTestRoom(name);
    const binary = 'binary' in qemu ? qemu.binary : '';
    const child = room.spawn(startCommandLine(room.spec, room.paths, { binary, accelerator: 'tcg' }));
    const agent = await room.connect();
    return { room, agent, kill: () => void child.kill('SIGKILL') };
  }

  const file = (name: string) => join(directory, name);
  const status = async ({ agent }: Machine) => (await agent.execute('query-status')).status;

  async function start(holdAfter: PauseStep, leave = '') {
    const vm = ({ room }: Machine, name: string, how = '') =>
      `vm ${name} ${room.paths.handoverQmp} ${file(`state-${name}`)} ${room.paths.ram}${how}`;
    await writeFile(file('journal'), '');
    await writeFile(
      file('plan'),
      withChecksum([
        'exuvia-pause 2',
        vm(one, 'one', leave),
        vm(two, 'two'),
        `manifest ${file('manifest')}`,
        `stamps ${file('stamps')}`,
        `sync ${directory}`,
        `journal ${file('journal')}`,
        'commit {"kind":"commit"}',
        'timeout-ms 20000',
      ]),
    );
    const pause = startPause({ plan: file('plan'), holdAfter, program, log: (line) => log.push(line) });
    await pause.ready();
    return pause;
  }

  test('a QEMU that is killed before the pause fails it: the other VM runs on', async () => {
    const pause = await start('suspend-vms');
    one.kill();
    await expect(pause.complete('suspend-vms')).rejects.toThrow('VM one: its QEMU went away.');
    expect(await pause.abort()).toEqual(['one']);
    expect(await status(two)).toBe('running');
  });

  test('a QEMU that is killed inside the pause fails it: the other VM, stopped by then, runs on', async () => {
    const pause = await start('suspend-vms');
    await pause.complete('suspend-vms');
    expect(await status(two)).toBe('paused');
    one.kill();
    await expect(pause.complete('save-vms')).rejects.toThrow('VM one: its QEMU went away.');
    expect(await pause.abort()).toEqual(['one']);
    expect(await status(two)).toBe('running');
  });

  test('the pause goes on without a killed QEMU whose VM may be left', async () => {
    const pause = await start('seal-state', ' leave');
    one.kill();
    for (const step of ['suspend-vms', 'save-vms', 'seal-state'] as const) await pause.complete(step);
    expect(await readFile(file('manifest'), 'utf8')).toMatch(/^left one$/m);
    expect(await readFile(file('manifest'), 'utf8')).toMatch(/^state two /m);
    await pause.abort();
    expect(await status(two)).toBe('running');
  });

  test('exuvia-pause that is killed before the pause has stopped nobody', async () => {
    const pause = await start('suspend-vms');
    process.kill(pause.pid ?? 0, 'SIGKILL');
    await expect(pause.complete('suspend-vms')).rejects.toThrow();
    await pause.abort();
    for (const vm of [one, two]) {
      expect(await status(vm)).toBe('running');
      await undoSave(vm.agent, true);
      expect(await status(vm)).toBe('running');
    }
  });
});
