import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { QmpClient, queryMigration } from '@exuvia/qemu';
import { cprRebootCommands, findQemu, TEST_BOOT_ID } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { QemuVms } from './manager.ts';
import { waitForEnd } from './process.ts';
import { sealState } from './seal.ts';
import { createVm, makeTestHost, nextHeartbeat, startGuest, type TestHost } from './test-room.ts';

const qemu = await findQemu();

let host: TestHost;
let vms: QemuVms;
beforeEach(async () => {
  host = await makeTestHost('binary' in qemu ? qemu.binary : '');
  vms = host.manager();
});
afterEach(async () => {
  await host.remove();
});

const startVm = (name: string) => startGuest(vms, host.spec(name));
const heartbeatBeyond = (name: string, sequence: bigint) => nextHeartbeat(vms, name, sequence);
const paths = (name: string) => host.dependencies.paths(name);

/** What exuvia-pause does: saves the device state and leaves the VM paused. */
async function pauseAndSave(name: string, end: boolean): Promise<void> {
  const monitor = await QmpClient.connect(paths(name).handoverQmp);
  const commands = cprRebootCommands(paths(name).deviceState);
  for (const { execute, arguments: args } of [...commands.prepare, ...commands.save]) {
    await monitor.execute(execute, args);
  }
  while ((await queryMigration(monitor)).status !== 'completed');
  if (end) await monitor.execute('quit');
  monitor.close();
  if (end) await waitForEnd(paths(name), 10_000);
}

describe.skipIf('missing' in qemu)('a saved VM of a host with a real QEMU', () => {
  test('a VM that an update left paused is resumed, its stale state removed; twice does no harm', async () => {
    await startVm('one');
    await pauseAndSave('one', false);
    expect(await vms.get('one')).toMatchObject({ state: 'paused', reason: 'QEMU says: postmigrate.' });
    const { sequence } = await heartbeatBeyond('one', 0n);
    await vms.resume('one');
    expect(await vms.get('one')).toMatchObject({ state: 'running' });
    expect((await heartbeatBeyond('one', sequence)).errors).toBe(0n);
    expect(await readdir(paths('one').store)).toEqual(['instance.json', 'ram']);
    await vms.resume('one');
    expect(await vms.get('one')).toMatchObject({ state: 'running' });
  });

  test('a VM that was saved and never restored is not thrown away by a start, and can be restored', async () => {
    await startVm('one');
    await pauseAndSave('one', true);
    await sealState('one', paths('one').deviceState);
    const saved = await heartbeatBeyond('one', 0n);
    expect(await vms.get('one')).toMatchObject({
      state: 'failed',
      reason: 'It was saved for an update and has not been restored.',
    });
    await expect(vms.start('one')).rejects.toMatchObject({ code: 'vm-state-not-restored' });

    expect(await vms.restoreInPlace('one')).toMatchObject({ state: 'running' });
    const beat = await heartbeatBeyond('one', saved.sequence + 768n);
    expect(beat).toMatchObject({ bootId: TEST_BOOT_ID, errors: 0n });
    expect(await readdir(paths('one').store)).toEqual(['instance.json', 'ram']);
  });

  test('a VM saved to a file outside of the store comes back from it even when the store is empty', async () => {
    await startVm('one');
    const file = join(host.dependencies.specs, 'one.saved');
    await vms.saveTo('one', file);
    const saved = await heartbeatBeyond('one', 0n);
    await vms.endSaved('one');
    await vms.endSaved('one');
    await host.dependencies.store.scrub('one');

    expect(await vms.restoreFrom('one', file)).toMatchObject({ state: 'running' });
    expect((await heartbeatBeyond('one', saved.sequence + 768n)).errors).toBe(0n);
    expect(await readdir(host.dependencies.specs)).toEqual(['one.yaml']);
  });

  test('a VM of which only the saved file is left, no spec and no store, is shown and recovered', async () => {
    await startVm('one');
    const { savedState } = paths('one');
    await mkdir(dirname(savedState));
    await vms.saveTo('one', savedState);
    await vms.endSaved('one');
    await host.dependencies.store.scrub('one');
    await rm(join(host.dependencies.specs, 'one.yaml'));

    expect(await vms.list()).toMatchObject([{ name: 'one', state: 'failed', saved: true }]);
    await expect(vms.create(host.spec('one'))).rejects.toMatchObject({ code: 'vm-exists' });
    expect(await vms.recover('one')).toMatchObject({ name: 'one', state: 'running' });
    expect(await readdir(dirname(savedState))).toEqual([]);
  });

  test('ending a VM that runs as if it were saved is refused', async () => {
    await startVm('one');
    await expect(vms.endSaved('one')).rejects.toMatchObject({
      code: 'vm-not-saved',
      message: 'VM one runs: ending it would lose its state.',
    });
  });

  test('the command line that restores a VM is the one that it was started with, waiting', async () => {
    await expect(vms.restoreArguments('one')).rejects.toMatchObject({ code: 'vm-not-running' });
    const { pid } = await startVm('one');
    const restore = await vms.restoreArguments('one');
    expect(restore.slice(-2)).toEqual(['-incoming', 'defer']);
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    // QEMU is the last part of the command line: the test's QEMU may be started by a wrapper.
    expect(words.slice(words.indexOf('-name'), -1)).toEqual(restore.slice(1, -2));
  });

  test.each([
    ['it is resumed', () => vms.resume('one')],
    [
      'its restore is tried again, as by an agent after one that was killed there',
      (saved: string) => vms.restoreFrom('one', saved),
    ],
  ])(
    'a VM whose disk somebody holds when it is restored stands still, whole, and runs on when %s',
    async (_, goOn) => {
      const file = join(host.dependencies.specs, 'disk.raw');
      await run('truncate', ['-s', '1M', file]);
      for (const name of ['one', 'other']) {
        await createVm(vms, host.spec(name, { disks: [{ file, format: 'raw' }] }));
      }
      await vms.start('one');
      const saved = `${file}.saved`;
      await vms.saveTo('one', saved);
      await vms.endSaved('one');
      await vms.start('other');

      await expect(vms.restoreFrom('one', saved)).rejects.toMatchObject({
        code: 'vm-not-resumed',
        message: expect.stringMatching(/^VM one is restored, but stands still: .*lock/),
        hint: 'Free what it waits for, then: exuvia vm resume one',
      });
      expect(await vms.get('one')).toMatchObject({ state: 'paused' });

      await vms.stop('other', { timeoutMs: 0 });
      await goOn(saved);
      expect(await vms.get('one')).toMatchObject({ state: 'running' });
    },
  );
});
