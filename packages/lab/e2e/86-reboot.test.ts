import { HOST_PATHS, vmPaths } from '@exuvia/contract';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { otherKernel } from '../src/host/agent.ts';
import { configureAgent } from '../src/host/configure-agent.ts';
import { resetMachine } from '../src/host/reset.ts';
import { labRun } from '../src/host/ssh.ts';
import { observedUpdate } from '../src/update/observed-update.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import {
  ask,
  type Change,
  endOf,
  freshLab,
  plannedSteps,
  progress,
  qemusByVm,
  untilHeld,
  watchedGuests,
} from './support/lab.ts';
import {
  expectFinishedAfterKill,
  expectUndoneAfterAbort,
  expectUndoneAfterKill,
} from './support/undone-update.ts';

/** Updates by an ordinary reboot. The lab host has been powered on: what was in its memory before is gone. */
const lab = await freshLab({ withStore: true });
const observer = await watchedGuests(lab);
afterAll(() => observer.stop());

const byReboot: Change = async () => ({ kernel: await otherKernel(lab), handover: 'reboot' });
const steps = (await plannedSteps(lab, byReboot)).map(({ name }) => name);

let from: number;
beforeEach(async () => {
  from = (await observer.peek()).now;
});

async function allLivedOn(): Promise<void> {
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
  expect((await labRun(lab, `ls -A ${HOST_PATHS.saved}`)).stdout).toBe('');
  expect((await labRun(lab, 'grub-editenv list')).stdout).not.toContain('next_entry');
}

async function rebooted() {
  const request = await byReboot(lab);
  const seen = await observedUpdate(lab, observer, request, progress);
  expect(seen.update).toMatchObject({ state: 'completed', reason: null, handover: 'reboot' });
  expect(seen.after).toMatchObject({ kernel: request.kernel });
  return seen;
}

/** Starts an update that is held behind a step. */
async function heldAfter(step: string): Promise<string> {
  const request = await byReboot(lab);
  const fault = { step, action: 'hold', when: 'after' } as const;
  const { id } = await ask(lab, (client) => client.startUpdate({ ...request, fault }));
  await untilHeld(lab, id, step);
  return id;
}

const whereVmsWait = async () => {
  const request = await byReboot(lab);
  const plan = await ask(lab, (client) => client.makePlan(request));
  return { store: plan.store, reason: plan.checks.find(({ id }) => id === 'vms-wait')?.reason };
};

test('nothing is assumed: the first time the VMs wait on disk, memory included', async () => {
  const { plan } = await rebooted();
  expect(plan.store).toBe('disk');
  await allLivedOn();
});

test('their memory was seen to outlive that: the next time they wait in the store', async () => {
  expect(await whereVmsWait()).toEqual({
    store: 'dax',
    reason: expect.stringMatching(
      /^The VMs wait in the store\. It was whole after the last update by reboot/,
    ),
  });
  const { plan } = await rebooted();
  expect(plan.store).toBe('dax');
  await allLivedOn();
});

test.each(steps)('an update that is aborted at step %s leaves everything as it was', async (step) => {
  expect((await whereVmsWait()).store).toBe('dax');
  await expectUndoneAfterAbort(lab, observer, step, { change: byReboot, endsQemus: true });
});

test.each(steps)('an agent killed at step %s undoes the update when it is back', async (step) => {
  expect((await whereVmsWait()).store).toBe('dax');
  await expectUndoneAfterKill(lab, observer, step, { change: byReboot, endsQemus: true });
});

test.each(['save-vms', 'end-vms'])(
  'a machine that is reset after step %s, before the update restarts it, brings back every VM',
  async (step) => {
    const id = await heldAfter(step);
    await resetMachine();
    expect(await endOf(lab, id)).toMatchObject({
      state: 'failed',
      reason: 'The machine went down before the update restarted it. All 3 VMs run.',
    });
    await allLivedOn();
  },
);

test('an agent killed after the restart is followed by one that finishes the update', () =>
  expectFinishedAfterKill(lab, observer, 'before', byReboot));

test('a host that comes back with its old kernel brings the VMs back, and the update says so', async () => {
  const id = await heldAfter('commit');
  await labRun(lab, 'grub-editenv - unset next_entry');
  await ask(lab, (client) => client.continue(id));
  expect(await endOf(lab, id)).toMatchObject({
    state: 'failed',
    reason: expect.stringMatching(/^Kernel \S+ did not come up, or was not started: the host runs /),
  });
  await allLivedOn();
});

test('the configuration has them wait on disk; they are brought back from there, too', async () => {
  await configureAgent(lab, 'rebootStore', 'disk');
  expect((await whereVmsWait()).store).toBe('disk');
  await expectUndoneAfterKill(lab, observer, 'end-vms', { change: byReboot, endsQemus: true });
  const id = await heldAfter('end-vms');
  await resetMachine();
  expect((await endOf(lab, id)).reason).toMatch(/All 3 VMs run\.$/);
  await allLivedOn();
  await configureAgent(lab, 'rebootStore', 'auto');
});

test('memory that is not what it was is not used, and the VMs wait on disk again', async () => {
  const id = await heldAfter('end-vms');
  await labRun(lab, `dd if=/dev/urandom of=${vmPaths('tiny').ram} bs=1M seek=64 count=2 conv=notrunc`);
  await ask(lab, (client) => client.continue(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'failed', reason: '1 of 3 VMs were lost: tiny.' });
  await expectGuestsLivedOn(observer, from, ['disk', 'busy']);
  const { stdout, exitCode } = await labRun(lab, 'exuvia recover --json', { allowFailure: true });
  expect(exitCode).toBe(3);
  expect(JSON.parse(stdout)).toMatchObject({ vms: [{ name: 'tiny', error: { code: 'vm-memory-damaged' } }] });
  await labRun(lab, 'exuvia vm stop tiny && exuvia vm start tiny', { timeoutMs: 240_000 });
  expect(await whereVmsWait()).toEqual({ store: 'disk', reason: expect.stringContaining('was not whole') });
});

test('a state on disk that is cut short is never loaded: that VM is lost, and said to be, the others come back', async () => {
  // The VM of the test before has just been started.
  await observer.waitForWork(240_000);
  from = (await observer.peek()).now;
  expect((await whereVmsWait()).store).toBe('disk');
  const id = await heldAfter('end-vms');
  await labRun(lab, `truncate --size=-4096 ${HOST_PATHS.saved}/disk.state && sync`);
  await ask(lab, (client) => client.continue(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'failed', reason: '1 of 3 VMs were lost: disk.' });
  await expectGuestsLivedOn(observer, from, ['tiny', 'busy']);
  const { stdout } = await labRun(lab, 'exuvia recover --json', { allowFailure: true });
  expect(JSON.parse(stdout)).toMatchObject({ vms: [{ name: 'disk', error: { code: 'vm-state-damaged' } }] });
  await labRun(lab, 'exuvia vm stop disk && exuvia vm start disk', { timeoutMs: 240_000 });
});
