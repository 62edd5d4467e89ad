import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type QmpClient, startCommandLine, undoSave } from '@exuvia/qemu';
import { findQemu, makeTestRoom, type TestRoom } from '@exuvia/qemu/testing';
import { run, sampleMemory } from '@exuvia/sys';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withChecksum } from './checksum.ts';
import { PAUSE_STEPS, type PauseStep, startPause } from './pause-program.ts';

const qemu = await findQemu();

/** exuvia-pause against a real QEMU (TCG) with a guest that counts. The jump itself is the lab's to test. */
describe.skipIf('missing' in qemu)(`exuvia-pause (skipped without QEMU: ${JSON.stringify(qemu)})`, () => {
  let directory: string;
  let program: string;
  let room: TestRoom;
  let agent: QmpClient;
  let log: string[];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exuvia-pause-'));
    program = join(directory, 'exuvia-pause');
    const native = join(import.meta.dirname, '../../../../../native');
    await run('cc', [
      '-O2',
      '-D_GNU_SOURCE',
      `-I${native}/common`,
      '-o',
      program,
      `${native}/pause/exuvia-pause.c`,
    ]);
  });
  afterAll(() => rm(directory, { recursive: true }));

  beforeEach(async () => {
    log = [];
    room = await makeTestRoom('pause');
    const binary = 'binary' in qemu ? qemu.binary : '';
    room.spawn(startCommandLine(room.spec, room.paths, { binary, accelerator: 'tcg' }));
    agent = await room.connect();
  });
  afterEach(async () => {
    agent.close();
    await room.remove();
  });

  const file = (name: string) => join(room.directory, name);
  const status = async () => (await agent.execute('query-status')).status;

  /** By way of a link: what is undone is removed. */
  async function fullFile(): Promise<string> {
    await symlink('/dev/full', file('full'));
    return file('full');
  }

  async function start(
    holdAfter: PauseStep,
    { state = file('state'), leave = '', journal = file('journal') } = {},
  ) {
    await writeFile(file('journal'), '');
    await writeFile(
      file('plan'),
      withChecksum([
        'exuvia-pause 2',
        `vm pause ${room.paths.handoverQmp} ${state} ${room.paths.ram}${leave}`,
        `manifest ${file('manifest')}`,
        `stamps ${file('stamps')}`,
        `sync ${room.directory}`,
        `journal ${journal}`,
        'commit {"kind":"commit"}',
        'timeout-ms 20000',
      ]),
    );
    const pause = startPause({ plan: file('plan'), holdAfter, program, log: (line) => log.push(line) });
    await pause.ready();
    return pause;
  }

  test('saves and seals the VM, and an abort lets it run on as if nothing had been', async () => {
    const pause = await start('commit');
    expect(await status()).toBe('running');
    for (const step of ['suspend-vms', 'save-vms', 'seal-state', 'sync-file-systems', 'commit'] as const) {
      await pause.complete(step);
    }
    expect(await status()).toBe('postmigrate');
    expect(await readFile(file('manifest'), 'utf8')).toMatch(
      /^exuvia-manifest 1\nstate pause [1-9]\d+ [0-9a-f]{8}\nram pause [1-9]\d+ 524288 [0-9a-f]{8}\n$/,
    );
    expect(await readFile(file('journal'), 'utf8')).toBe('{"kind":"commit"}\n');
    expect(await pause.abort()).toEqual([]);
    expect(log.at(-1)).toBe('undone');
    expect(await status()).toBe('running');
    expect(await agent.execute('query-migrate-parameters')).toMatchObject({ mode: 'normal' });
    expect((await readdir(room.directory)).filter((name) => /state|manifest|stamps/.test(name))).toEqual([]);
  });

  test('undoes everything when the agent’s end of the pipe closes', async () => {
    const pause = await start('suspend-vms');
    await pause.complete('suspend-vms');
    expect(await status()).toBe('paused');
    await pause.abort();
    expect(await status()).toBe('running');
  });

  test('a state file that cannot be written fails the save, says which VM, and the VM runs on', async () => {
    const pause = await start('commit', { state: '/nonexistent/state' });
    await pause.complete('suspend-vms');
    await expect(pause.complete('save-vms')).rejects.toThrow(/^VM pause: .*nonexistent/);
    await pause.abort();
    expect(await status()).toBe('running');
  });

  test('a VM that may be left does not keep the pause from going on, and runs on after an abort', async () => {
    const pause = await start('commit', { state: '/nonexistent/state', leave: ' leave' });
    for (const step of ['suspend-vms', 'save-vms', 'seal-state'] as const) await pause.complete(step);
    expect(log.filter((line) => line.startsWith('left'))).toEqual([
      expect.stringMatching(/^left pause .*nonexistent/),
    ]);
    expect(await readFile(file('manifest'), 'utf8')).toBe('exuvia-manifest 1\nleft pause\n');
    expect(await pause.abort()).toEqual([]);
    expect(await status()).toBe('running');
  });

  test('the memory that the manifest describes is what the agent finds in the file', async () => {
    const pause = await start('seal-state');
    for (const step of ['suspend-vms', 'save-vms', 'seal-state'] as const) await pause.complete(step);
    const [, bytes, stride, crc] =
      /^ram pause (\d+) (\d+) ([0-9a-f]{8})$/m.exec(await readFile(file('manifest'), 'utf8')) ?? [];
    const found = await sampleMemory(room.paths.ram, Number(bytes), Number(stride));
    expect(found.toString(16).padStart(8, '0')).toBe(crc);
    await pause.abort();
  });

  test('a store that is full fails the save, and the VM runs on', async () => {
    const pause = await start('commit', { state: await fullFile() });
    await pause.complete('suspend-vms');
    await expect(pause.complete('save-vms')).rejects.toThrow(/^VM pause: its state could not be saved: /);
    expect(await pause.abort()).toEqual([]);
    expect(await status()).toBe('running');
  });

  test.each(PAUSE_STEPS.slice(0, -1))(
    'a program that is killed after %s leaves a VM that can be resumed',
    async (last) => {
      const pause = await start(last);
      for (const step of PAUSE_STEPS.slice(0, PAUSE_STEPS.indexOf(last) + 1)) await pause.complete(step);
      process.kill(pause.pid ?? 0, 'SIGKILL');
      await pause.abort();
      await undoSave(agent, true);
      expect(await status()).toBe('running');
    },
  );

  test('a damaged plan is refused before any VM is touched', async () => {
    const refused = async (text: string, why: string) => {
      await writeFile(file('plan'), text);
      const pause = startPause({ plan: file('plan'), program, log: (line) => log.push(line) });
      await expect(pause.ready()).rejects.toThrow(`${file('plan')} ${why}.`);
      await pause.abort();
      expect(await status()).toBe('running');
    };
    const whole = withChecksum(['exuvia-pause 2', `manifest ${file('manifest')}`]);
    await refused(withChecksum(['exuvia-pause 1']), 'is no pause plan of version 2');
    await refused(whole.replace('manifest /', 'manifest //'), 'is damaged: its checksum does not fit');
    await refused(whole.slice(0, -1), 'is damaged: its checksum does not fit');
    await refused('exuvia-pause 2\n', 'is damaged: its checksum does not fit');
  });

  test('a journal that cannot be written, as on a full disk, fails the commit, and the VM runs on', async () => {
    const journal = await fullFile();
    const pause = await start('commit', { journal });
    for (const step of ['suspend-vms', 'save-vms', 'seal-state', 'sync-file-systems'] as const) {
      await pause.complete(step);
    }
    await expect(pause.complete('commit')).rejects.toThrow(`${journal}: No space left on device.`);
    expect(await pause.abort()).toEqual([]);
    expect(await status()).toBe('running');
  });

  test('a VM whose QEMU has died is named', async () => {
    const pause = await start('suspend-vms');
    await agent.execute('quit').catch(() => {});
    await expect(pause.complete('suspend-vms')).rejects.toThrow('VM pause: its QEMU went away.');
    expect(await pause.abort()).toEqual(['pause']);
  });
});
