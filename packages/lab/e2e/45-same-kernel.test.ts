import { PHASES, type Vm } from '@exuvia/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { labRun } from '../src/host/ssh.ts';
import { HOST_QEMU, newQemuOf } from '../src/image/qemus.ts';
import type { Observer } from '../src/observer/observer.ts';
import { observedUpdate } from '../src/update/observed-update.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import {
  ask,
  progress,
  qemusByVm,
  qemuVersions,
  sharedLab,
  vendorModule,
  watchedGuests,
} from './support/lab.ts';

/** Updates under a kernel that runs on: of QEMU, there and back, and of modules. */
const lab = await sharedLab();
/** Versions of the host's own QEMU and of the newer one beside it. */
const OLD = (await ask(lab, (client) => client.host())).qemu ?? '';
const NEW = newQemuOf(lab);
let observer: Observer;

beforeAll(async () => {
  observer = await watchedGuests(lab);
});
afterAll(() => observer.stop());

/** What a VM must have in common before and after: everything but its process. */
async function vmList(): Promise<Partial<Vm>[]> {
  return (await ask(lab, (client) => client.vms())).map(({ pid: _, qemu: __, ...rest }) => rest);
}

const inAll = (version: string) => ({ tiny: version, disk: version, busy: version });

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
  expect(await qemuVersions(lab)).toEqual(inAll(NEW));
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
  expect(await qemuVersions(lab)).toEqual(inAll(OLD));
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
});

test('the module kvm and the one of the processor are loaded anew under the VMs', async () => {
  const vendor = await vendorModule(lab);
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
