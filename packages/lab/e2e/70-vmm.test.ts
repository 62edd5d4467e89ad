import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherKernel, waitForAgent } from '../src/host/agent.ts';
import { configureAgent } from '../src/host/configure-agent.ts';
import { labRun } from '../src/host/ssh.ts';
import { HOST_QEMU, newQemuOf } from '../src/image/qemus.ts';
import type { Observer } from '../src/observer/observer.ts';
import { observedUpdate } from '../src/update/observed-update.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import {
  ask,
  type Change,
  endOf,
  plannedSteps,
  progress,
  qemusByVm,
  qemuVersions,
  sharedLab,
  untilSaid,
  vendorModule,
  watchedGuests,
} from './support/lab.ts';

/** What goes wrong while QEMUs and modules are replaced, and the planner's choice; 45-same-kernel.test.ts has what goes right. */
const lab = await sharedLab();
const AGENT_LIMIT_MS = 120_000;
/** Versions of the host's own QEMU and of the newer one beside it. */
const OLD = (await ask(lab, (client) => client.host())).qemu ?? '';
const NEW = newQemuOf(lab);
const guests = await watchedGuests(lab);
let observer: Observer;

beforeAll(() => {
  observer = guests;
});
// Started again they are in the host's own QEMU, as other tests expect them.
afterAll(async () => {
  await observer.stop();
  await labRun(lab, 'for vm in tiny disk busy; do exuvia vm stop $vm --timeout 1; done', {
    timeoutMs: AGENT_LIMIT_MS,
  });
});

const versions = () => qemuVersions(lab);
const inAll = (version: string) => ({ tiny: version, disk: version, busy: version });
const target = async () => ((await versions()).busy === NEW ? HOST_QEMU : NEW);

const stepsOf = async (change: Change) => (await plannedSteps(lab, change)).map(({ name }) => name);
const STEPS = await stepsOf(async () => ({ qemu: NEW }));
const MODULE_STEPS = await stepsOf(async () => ({ modules: ['kvm'] }));

test.each(STEPS)('an agent killed before %s leaves every VM in its old QEMU', async (step) => {
  const before = await versions();
  const { now: from } = await observer.peek();
  const fault = { step, action: 'kill', when: 'before' } as const;
  const { id } = await ask(lab, (client) => client.startUpdate({ qemu: NEW, fault }));
  expect((await endOf(lab, id)).state).toBe('aborted');
  await waitForAgent(lab, AGENT_LIMIT_MS);
  expect(await versions()).toEqual(before);
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
});

/** Holds an update where everything of `disk` is in the new QEMU and nothing of it has run there. */
async function heldAtDisk(): Promise<string> {
  const fault = { step: 'switch-vms/disk', action: 'hold', when: 'after' } as const;
  const { id } = await ask(lab, (client) => client.startUpdate({ qemu: NEW, fault }));
  await untilSaid(lab, id, 'Held after step switch-vms/disk.');
  return id;
}

test('a new QEMU that is killed inside the pause: its VM runs on in the old one, the others go on', async () => {
  const { now: from } = await observer.peek();
  const id = await heldAtDisk();
  await labRun(lab, 'kill -9 $(cat /run/exuvia/vms/disk.next/qemu.pid); sleep 1');
  await ask(lab, (client) => client.continue(id));
  const { state, reason } = await endOf(lab, id);
  expect({ state, reason }).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('VM disk runs on in its old QEMU.'),
  });
  expect(await versions()).toEqual({ tiny: NEW, disk: OLD, busy: NEW });
  await expectGuestsLivedOn(observer, from);
});

test('an old QEMU that is killed inside the pause is not missed', async () => {
  const { now: from } = await observer.peek();
  const id = await heldAtDisk();
  await labRun(lab, 'kill -9 $(cat /run/exuvia/vms/disk/qemu.pid); sleep 1');
  await ask(lab, (client) => client.continue(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'completed', reason: null });
  expect(await versions()).toEqual(inAll(NEW));
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
});

test.each(['before', 'after'] as const)(
  'an agent killed %s the finish: the next one finishes it',
  async (when) => {
    const { now: from } = await observer.peek();
    const qemu = await target();
    const fault = { step: 'finish', action: 'kill', when } as const;
    const { id } = await ask(lab, (client) => client.startUpdate({ qemu, fault }));
    expect(await endOf(lab, id)).toMatchObject({ state: 'completed', reason: null });
    await waitForAgent(lab, AGENT_LIMIT_MS);
    expect(await versions()).toEqual(inAll(qemu === HOST_QEMU ? OLD : NEW));
    expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
    await expectGuestsLivedOn(observer, from);
  },
);

test.each(MODULE_STEPS)(
  'an agent killed after %s of a module update: the next one takes every VM up again, or has nothing left to do',
  async (step) => {
    const { now: from } = await observer.peek();
    const fault = { step, action: 'kill', when: 'after' } as const;
    const vendor = await vendorModule(lab);
    const { id } = await ask(lab, (client) => client.startUpdate({ modules: [vendor], fault }));
    expect((await endOf(lab, id)).state).toBe(step === 'restore-vms' ? 'completed' : 'aborted');
    await waitForAgent(lab, AGENT_LIMIT_MS);
    expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
    await expectGuestsLivedOn(observer, from);
  },
);

test('everything that is newer: kernel and QEMU in one blackout', async () => {
  if ((await versions()).busy === NEW) await observedUpdate(lab, observer, { qemu: HOST_QEMU }, progress);
  if ((await otherKernel(lab)) === lab.kernels.old) {
    await observedUpdate(lab, observer, { kernel: lab.kernels.old }, progress);
  }
  const { now: from } = await observer.peek();
  const seen = await observedUpdate(lab, observer, { all: true }, progress);
  expect(seen.plan).toMatchObject({
    handover: 'kexec',
    target: { kernel: lab.kernels.new, qemu: { version: NEW } },
  });
  expect(seen.plan.alternatives.find(({ handover }) => handover === 'vmm')).toMatchObject({
    reaches: false,
    reason: `It does not bring kernel ${lab.kernels.new}.`,
  });
  expect(seen.update).toMatchObject({ state: 'completed', reason: null, to: lab.kernels.new });
  expect(await versions()).toEqual(inAll(NEW));
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
});

test('by order, each QEMU executes its successor in its own process', async () => {
  const pids = async () => (await ask(lab, (client) => client.vms())).map(({ name, pid }) => [name, pid]);
  await configureAgent(lab, 'allowExec', 'true');
  try {
    // Whether a QEMU may execute another program is decided at its start.
    await labRun(lab, 'exuvia vm stop --all --timeout 1', { timeoutMs: AGENT_LIMIT_MS });
    await observer.stop();
    observer = await watchedGuests(lab);
    await observedUpdate(lab, observer, { qemu: NEW }, progress);
    const before = await pids();
    const { now: from } = await observer.peek();
    const request = { qemu: NEW, handover: 'vmm', method: 'cpr-exec' } as const;
    const { plan, update } = await observedUpdate(lab, observer, request, progress);
    expect(plan.vms.map(({ method }) => method)).toEqual(['cpr-exec', 'cpr-exec', 'cpr-exec']);
    expect(update).toMatchObject({ state: 'completed', reason: null });
    expect(await pids()).toEqual(before);
    expect(await versions()).toEqual(inAll(NEW));
    expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
    await expectGuestsLivedOn(observer, from);
  } finally {
    await configureAgent(lab, 'allowExec', 'false');
  }
});
