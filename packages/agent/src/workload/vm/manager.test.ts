import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { QmpClient } from '@exuvia/qemu';
import { countingGuest, findQemu, TEST_BOOT_ID } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { QemuVms } from './manager.ts';
import { kill, waitForEnd } from './process.ts';
import { createVm, makeTestHost, nextHeartbeat, startGuest, type TestHost } from './test-room.ts';

const qemu = await findQemu();
if ('missing' in qemu) console.warn(`VMs are not tested: ${qemu.missing}`);

let host: TestHost;
let vms: QemuVms;
beforeEach(async () => {
  host = await makeTestHost('binary' in qemu ? qemu.binary : '');
  vms = host.manager();
});
afterEach(async () => {
  await host.remove();
});

const startVm = (name: string, fields?: object) => startGuest(vms, host.spec(name, fields));
const heartbeatBeyond = (name: string, sequence: bigint) => nextHeartbeat(vms, name, sequence);
const paths = (name: string) => host.dependencies.paths(name);

describe.skipIf('missing' in qemu)('the VMs of a host with a real QEMU', () => {
  test('a VM is created, started, stopped and destroyed, and nothing of it stays', async () => {
    await createVm(vms, host.spec('one'));
    expect(await vms.get('one')).toMatchObject({ state: 'stopped', pid: null, ramFile: null });

    const started = await vms.start('one');
    expect(started).toMatchObject({
      name: 'one',
      state: 'running',
      scope: 'exuvia-vm-one.scope',
      ramFile: paths('one').ram,
      console: paths('one').console,
    });
    expect(String(started.pid)).toBe((await readFile(paths('one').pidFile, 'utf8')).trim());
    expect(await heartbeatBeyond('one', 0n)).toMatchObject({ name: 'one', bootId: TEST_BOOT_ID, errors: 0n });

    expect(await vms.stop('one', { timeoutMs: 0 })).toMatchObject({ state: 'stopped', pid: null });
    expect(await readdir(host.dependencies.instances)).toEqual([]);
    await writeFile(`${paths('one').consoleLog}.1`, 'what was cut of its log');
    await vms.destroy('one');
    expect(await readdir(dirname(paths('one').consoleLog))).not.toContainEqual(
      expect.stringMatching(/\.log/),
    );
    expect(await readdir(host.dependencies.specs)).toEqual([]);
    expect(await vms.list()).toEqual([]);
    await expect(vms.get('one')).rejects.toMatchObject({
      code: 'vm-unknown',
      message: 'There is no VM one.',
    });
  });

  test('a VM that runs is not started a second time', async () => {
    const { pid } = await startVm('one');
    await expect(vms.start('one')).rejects.toMatchObject({
      code: 'vm-running',
      message: `VM one runs already (pid ${pid}).`,
    });
  });

  test('a second QEMU on the memory of a running VM is refused by the lock', async () => {
    await startVm('one');
    const commandLine = await vms.restoreArguments('one');
    const result = await run(host.dependencies.launcher, ['--lock', paths('one').ram, '--', ...commandLine], {
      allowFailure: true,
    });
    expect(result).toMatchObject({
      exitCode: 75,
      stderr: `exuvia-launch: ${paths('one').ram} is in use: another process runs on it`,
    });
    expect((await vms.get('one')).state).toBe('running');
  });

  test('a VM that cannot start leaves nothing behind and says what QEMU said', async () => {
    await createVm(vms, host.spec('one', { extraArgs: ['-device', 'no-such-device'] }));
    await expect(vms.start('one')).rejects.toMatchObject({
      code: 'vm-start-failed',
      message: expect.stringMatching(
        /^VM one did not start: .*-device no-such-device: 'no-such-device' is not a valid device model name$/,
      ),
    });
    expect(await vms.get('one')).toMatchObject({ state: 'stopped', pid: null });
    expect(await readdir(host.dependencies.instances)).toEqual([]);
  });

  test('an agent that has just started finds and adopts what runs, also without its spec', async () => {
    const { pid } = await startVm('one');
    await rm(paths('one').spec);
    await vms.close();

    const next = host.manager();
    expect(await next.adopt()).toMatchObject([{ name: 'one', state: 'running', pid, spec: { name: 'one' } }]);
    expect(host.adopted).toEqual([`exuvia-vm-one.scope ${pid}`]);
    expect(await next.stop('one', { timeoutMs: 0 })).toMatchObject({
      name: 'one',
      state: 'stopped',
      pid: null,
    });
    expect(await next.list()).toEqual([]);
  });

  test('a QEMU that died leaves a failed VM with the reason, which can be started anew', async () => {
    const { pid } = await startVm('one');
    kill(pid ?? 0);
    await waitForEnd(paths('one'), 10_000);
    expect(await vms.get('one')).toMatchObject({
      state: 'failed',
      pid: null,
      reason: 'Its QEMU has ended.',
    });
    expect(await vms.start('one')).toMatchObject({ state: 'running' });
  });

  test('a pid file that names another process is not believed', async () => {
    const { pid } = await startVm('one');
    kill(pid ?? 0);
    await waitForEnd(paths('one'), 10_000);
    await writeFile(paths('one').pidFile, `${process.pid}\n`);
    expect(await vms.get('one')).toMatchObject({ state: 'failed', pid: null });
    expect(await vms.adopt()).toEqual([]);
  });

  test('invalid spec files are reported and hide no VM', async () => {
    await createVm(vms, host.spec('good'));
    await writeFile(paths('bad').spec, 'name: bad\nmemory: lots\n');
    await writeFile(paths('other').spec, 'name: another\nmemory: 1G\nboot: { firmware: /f }\n');
    await writeFile(join(host.dependencies.specs, 'Not A Name.yaml'), '');
    expect((await vms.list()).map(({ name }) => name)).toEqual(['good']);
    expect([...(await vms.specProblems())].map(([name, { message }]) => [name, message])).toEqual([
      ['Not A Name', `${join(host.dependencies.specs, 'Not A Name.yaml')} has not the name of a VM.`],
      ['bad', expect.stringContaining('memory must be a whole number followed by K, M, G or T')],
      ['other', `${paths('other').spec} is the spec of a VM another.`],
    ]);
    await expect(vms.get('bad')).rejects.toMatchObject({ code: 'spec-invalid' });
    await expect(vms.start('bad')).rejects.toMatchObject({ code: 'spec-invalid' });
  });

  test.each(['../one', 'a/b', '', 'A', 'one;reboot', 'one\n', '-x', 'a'.repeat(32)])(
    'the name %j is refused before a path is made of it',
    async (name) => {
      const refusal = { code: 'vm-name-invalid', message: `${JSON.stringify(name)} is no name of a VM.` };
      await expect(vms.get(name)).rejects.toMatchObject(refusal);
      await expect(vms.start(name)).rejects.toMatchObject(refusal);
      await expect(vms.stop(name, { timeoutMs: 0 })).rejects.toMatchObject(refusal);
      await expect(vms.destroy(name)).rejects.toMatchObject(refusal);
      await expect(vms.create({ ...host.spec('one'), name })).rejects.toMatchObject(refusal);
      await expect(vms.checks(name)).rejects.toMatchObject(refusal);
      await expect(vms.resume(name)).rejects.toMatchObject(refusal);
      await expect(vms.restoreArguments(name)).rejects.toMatchObject(refusal);
    },
  );

  test('a name is taken only once', async () => {
    await createVm(vms, host.spec('one'));
    await expect(vms.create(host.spec('one'))).rejects.toMatchObject({
      code: 'vm-exists',
      message: 'There is a VM one already.',
    });
  });

  test('the checks of a healthy VM are all good, and leave it as it is', async () => {
    await startVm('one');
    const checks = await vms.checks('one');
    expect(checks.map(({ id, verdict }) => `${id} ${verdict}`)).toEqual([
      'vm-state ok',
      'vm-memory-locked ok',
      'vm-memory-in-store ok',
      'vm-machine ok',
      'vm-extra-arguments ok',
      'vm-spec-unchanged ok',
      'vm-migration-blockers ok',
      'vm-disks ok',
    ]);
    expect(await vms.get('one')).toMatchObject({ state: 'running' });
  });

  test('a VM with a device that cannot be saved fails the check with the reason of QEMU', async () => {
    const shared = ['-object', 'memory-backend-ram,id=shared,size=1M'];
    await startVm('one', { extraArgs: [...shared, '-device', 'ivshmem-plain,memdev=shared,master=off'] });
    expect(await vms.checks('one')).toContainEqual({
      id: 'vm-migration-blockers',
      subject: 'one',
      verdict: 'fail',
      reason:
        "QEMU cannot save its state: Migration is disabled when using feature 'peer mode' in device 'ivshmem'.",
      remedy: 'Remove the device from its spec, or stop the VM for the update.',
    });
  });

  test('a VM whose memory is elsewhere fails the check', async () => {
    const other = ['-object', 'memory-backend-ram,id=other,size=32M', '-machine', 'memory-backend=other'];
    await createVm(vms, host.spec('one', { extraArgs: other }));
    await vms.start('one');
    expect((await vms.checks('one')).filter(({ verdict }) => verdict === 'fail')).toEqual([
      {
        id: 'vm-memory-in-store',
        subject: 'one',
        verdict: 'fail',
        reason: `Its memory is not in ${paths('one').ram}: it would be lost with the old kernel.`,
        remedy:
          'Remove -machine, -mem-path and memory backends from the extraArgs of its spec; stop and start it.',
      },
    ]);
  });

  test('a guest that powers down when it is asked to needs no force', async () => {
    await startVm('one');
    expect(await vms.stop('one', { timeoutMs: 30_000 })).toMatchObject({ state: 'stopped' });
    expect(host.logged.filter((line) => line.includes('not power down'))).toEqual([]);
    expect(await readFile(paths('one').consoleLog, 'utf8')).toMatch(/^\.+$/);
  });

  test('a guest that does not power down in time is ended', async () => {
    const { boot } = await createVm(vms, host.spec('one'));
    const guest = countingGuest('one', TEST_BOOT_ID, { ignorePowerButton: true });
    await writeFile('kernel' in boot ? boot.kernel : '', guest);
    await vms.start('one');
    await heartbeatBeyond('one', 0n);
    expect(await vms.stop('one', { timeoutMs: 100 })).toMatchObject({ state: 'stopped' });
    expect(host.logged.filter((line) => line.includes('not power down'))).toEqual([
      '{"vm":"one","powerDownMs":100} The guest did not power down in time; ending QEMU.',
    ]);
  });

  test('the memory of a guest that powers itself down is overwritten, and it is stopped', async () => {
    await startVm('one');
    const button = await QmpClient.connect(paths('one').handoverQmp);
    await button.execute('system_powerdown');
    await button.closed;
    await expect.poll(() => readdir(host.dependencies.instances)).toEqual([]);
    expect(await vms.get('one')).toMatchObject({ state: 'stopped', pid: null });
  });

  test('VMs run only on the CPUs that the configuration names', async () => {
    vms = host.manager({ vmCpus: '0' });
    const { pid } = await startVm('one');
    expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(/^Cpus_allowed_list:\t0$/m);
  });

  test('a QEMU that does not answer is failed, and stopping it ends it all the same', async () => {
    const { pid } = await startVm('one');
    await vms.close();
    process.kill(pid ?? 0, 'SIGSTOP');
    const hasty = new QemuVms({ ...host.dependencies, timeoutMs: 300 });
    expect(await hasty.get('one')).toMatchObject({
      state: 'failed',
      pid,
      reason: `QEMU (pid ${pid}) does not answer on its monitor.`,
    });
    expect(await hasty.stop('one', { timeoutMs: 0 })).toMatchObject({ state: 'stopped', pid: null });
    await hasty.close();
  });

  test('two starts at once start one QEMU', async () => {
    await createVm(vms, host.spec('one'));
    const results = await Promise.allSettled([vms.start('one'), vms.start('one')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(await vms.get('one')).toMatchObject({ state: 'running' });
  });
});
