import { PHASES, type Vm } from '@exuvia/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherKernel, waitForAgent } from '../src/host/agent.ts';
import { labRun } from '../src/host/ssh.ts';
import { HOST_QEMU, newQemuOf } from '../src/image/qemus.ts';
import type { Observer } from '../src/observer/observer.ts';
import { observedUpdate } from '../src/update/observed-update.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import { ask, endOf, progress, qemusByVm, sharedLab, untilSaid, watchedGuests } from './support/lab.ts';

const lab = await sharedLab();
const AGENT_LIMIT_MS = 120_000;
/** Versions of the host's own QEMU and of the newer one beside it. */
const OLD = (await ask(lab, (client) => client.host())).qemu ?? '';
const NEW = newQemuOf(lab);
let observer: Observer;

beforeAll(async () => {
  observer = await watchedGuests(lab);
});
// Started again they are in the host's own QEMU, as other tests expect them.
afterAll(async () => {
  await observer.stop();
  await labRun(lab, 'for vm in tiny disk busy; do exuvia vm stop $vm --timeout 1; done', {
    timeoutMs: AGENT_LIMIT_MS,
  });
});

/** What a VM must have in common before and after: everything but its process. */
async function vmList(): Promise<Partial<Vm>[]> {
  return (await ask(lab, (client) => client.vms())).map(({ pid: _, qemu: __, ...rest }) => rest);
}

/** The version of the QEMU that each VM runs in, by its own word. */
async function versions(): Promise<Record<string, string | null | undefined>> {
  return Object.fromEntries((await ask(lab, (client) => client.vms())).map(({ name, qemu }) => [name, qemu]));
}

const inAll = (version: string) => ({ tiny: version, disk: version, busy: version });
const target = async () => ((await versions()).busy === NEW ? HOST_QEMU : NEW);

test('three VMs move to a newer QEMU while the kernel runs on', async () => {
  const before = await vmList();
  const { now: from } = await observer.peek();
  const seen = await observedUpdate(lab, observer, { qemu: NEW, parallel: 3 }, progress);
  expect(seen.update).toMatchObject({ state: 'completed', reason: null, handover: 'vmm' });
  expect(seen.plan.vms.map(({ method }) => method)).toEqual(['cpr-transfer', 'cpr-transfer', 'cpr-transfer']);
  expect(seen.plan.alternatives.map(({ handover, reaches, chosen }) => [handover, reaches, chosen])).toEqual([
    ['livepatch', false, false],
    ['vmm', true, true],
    ['module', true, false],
    ['kexec', true, false],
    ['reboot', true, false],
  ]);
  expect(seen.after.bootId).toBe(seen.before.bootId);
  await expectGuestsLivedOn(observer, from);
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  expect(await versions()).toEqual(inAll(NEW));
  expect(await vmList()).toEqual(before);
  expect(seen.report.phases.map(({ name }) => name)).toEqual(PHASES);
  for (const vm of seen.report.vms) {
    const blackout = seen.report.observation?.vms.find(({ name }) => name === vm.name)?.blackoutMs ?? 0;
    expect(blackout).toBeGreaterThan((vm.pausedMs ?? Number.NaN) * 0.98);
  }
});

test('and back, where QEMU allows it only beside the memory, and the plan says why', async () => {
  const { now: from } = await observer.peek();
  const seen = await observedUpdate(lab, observer, { qemu: HOST_QEMU }, progress);
  expect(seen.plan.vms.map(({ method }) => method)).toEqual(['in-place', 'in-place', 'in-place']);
  expect(seen.plan.checks.find(({ id, subject }) => id === 'vmm-method' && subject === 'busy')?.reason).toBe(
    `It goes from QEMU ${NEW} to ${OLD} by in-place. Not by cpr-transfer: QEMU ${OLD} does not understand how QEMU ${NEW} hands a running VM over. So its device state is saved beside its memory, and it stands still while the new QEMU starts.`,
  );
  expect(seen.update).toMatchObject({ state: 'completed', reason: null });
  await expectGuestsLivedOn(observer, from);
  expect(await versions()).toEqual(inAll(OLD));
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
});

const STEPS = [
  'note-vms',
  'compare-machines',
  'rehearse',
  'start-qemus',
  'prepare-qemus',
  'switch-vms',
] as const;

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

/** The module of KVM for this machine's processor. */
const vendorModule = async () =>
  (await labRun(lab, 'ls /sys/module')).stdout.split('\n').find((name) => /^kvm_(amd|intel)$/.test(name)) ??
  '';

test('the module kvm and the one of the processor are loaded anew under the VMs', async () => {
  const vendor = await vendorModule();
  // A module's directory is made anew when it is loaded.
  const loaded = async () =>
    (await labRun(lab, `stat -c %i /sys/module/kvm /sys/module/${vendor}`)).stdout.split('\n');
  const before = await vmList();
  const { now: from } = await observer.peek();
  const [kvm, kvmVendor] = await loaded();
  const seen = await observedUpdate(lab, observer, { modules: ['kvm'] }, progress);
  expect(seen.update).toMatchObject({ state: 'completed', reason: null, handover: 'module' });
  expect(seen.after.bootId).toBe(seen.before.bootId);
  const after = await loaded();
  expect(after[0]).not.toBe(kvm);
  expect(after[1]).not.toBe(kvmVendor);
  expect(await vmList()).toEqual(before);
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
});

test.each(['note-vms', 'save-vms', 'end-vms', 'reload-modules'] as const)(
  'an agent killed after %s of a module update takes every VM up again',
  async (step) => {
    const { now: from } = await observer.peek();
    const fault = { step, action: 'kill', when: 'after' } as const;
    const vendor = await vendorModule();
    const { id } = await ask(lab, (client) => client.startUpdate({ modules: [vendor], fault }));
    expect((await endOf(lab, id)).state).toBe('aborted');
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
