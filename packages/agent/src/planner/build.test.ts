import type { Check, Doctor, Report } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { FAKE_STEPS } from '../testing/fake-handover.ts';
import { fakeHost, fakeReport, fakeVm } from '../testing/fakes.ts';
import {
  buildPlan,
  checksFor,
  expectedBlackoutMs,
  leftOutChecks,
  leftOutOf,
  type PlanInputs,
  plannedVms,
} from './build.ts';

const inputs: PlanInputs = {
  id: '20261121-100000-abcd',
  createdAt: new Date('2026-11-21T10:00:00.000Z'),
  host: fakeHost(),
  target: { kernel: '7.2.12+deb13-amd64', qemu: null, modules: [] },
  parallel: 1,
  alternatives: [],
  livepatches: [],
  handover: 'kexec',
  store: 'dax',
  vms: [],
  leftOut: [],
  checks: [],
  steps: FAKE_STEPS.map(([name, phase]) => ({ name, phase, description: `does ${name}` })),
  expectedBlackoutMs: null,
};
const check = (verdict: Check['verdict'], change: Partial<Check> = {}): Check => ({
  id: 'some',
  subject: 'host',
  verdict,
  reason: `It is ${verdict}.`,
  ...change,
});

test('a plan is made of what was looked up, and nothing else', () => {
  const web = fakeVm('web');
  expect(buildPlan({ ...inputs, vms: plannedVms([web]) })).toEqual({
    version: 1,
    id: '20261121-100000-abcd',
    createdAt: '2026-11-21T10:00:00.000Z',
    host: { hostname: 'testhost', bootId: 'boot-1', kernel: '6.12.107+deb13-amd64', qemu: '10.0.13' },
    target: { kernel: '7.2.12+deb13-amd64', qemu: null, modules: [] },
    handover: 'kexec',
    store: 'dax',
    vms: [
      {
        ...{ name: 'web', priority: 100, memoryBytes: 128 * 2 ** 20 },
        ...{ onFailure: 'abort', qemu: null, method: null },
      },
    ],
    leftOut: [],
    parallel: 1,
    alternatives: [],
    livepatches: [],
    checks: [],
    steps: inputs.steps,
    expectedBlackoutMs: null,
    aptLine: null,
    executable: true,
  });
});

test('one failed check makes a plan that cannot be executed, a warning does not', () => {
  expect(buildPlan({ ...inputs, checks: [check('ok'), check('warn', { id: 'w' })] }).executable).toBe(true);
  expect(buildPlan({ ...inputs, checks: [check('ok'), check('fail', { id: 'f' })] }).executable).toBe(false);
});

test('what doctor and handover both looked at is shown once, with the worse verdict', () => {
  const checks = [check('ok'), check('fail'), check('warn'), check('ok', { subject: 'web' })];
  expect(buildPlan({ ...inputs, checks }).checks).toEqual([check('fail'), check('ok', { subject: 'web' })]);
});

test('the apt line is collected from the remedies of what is missing', () => {
  const checks = [
    check('fail', { id: 'a', remedy: 'Install it: apt install kexec-tools' }),
    check('warn', { id: 'b', remedy: 'apt install qemu-system-x86 kexec-tools.' }),
    check('ok', { id: 'c', remedy: 'apt install not-needed' }),
  ];
  expect(buildPlan({ ...inputs, checks }).aptLine).toBe('apt install kexec-tools qemu-system-x86');
});

test('every VM that has a QEMU is part of a plan, one in trouble too; by priority, then by name', () => {
  const prior = fakeVm('zoo');
  const vms = [
    fakeVm('web'),
    fakeVm('cache', { state: 'paused' }),
    fakeVm('off', { state: 'stopped', pid: null }),
    fakeVm('dead', { state: 'failed', pid: null }),
    fakeVm('stuck', { state: 'failed', reason: 'QEMU says: io-error.' }),
    { ...prior, spec: { ...prior.spec, priority: 1 } },
  ];
  expect(plannedVms(vms).map((vm) => vm.name)).toEqual(['zoo', 'cache', 'stuck', 'web']);
});

test("the doctor's failures count where they stand in the way of this handover", () => {
  const noKexec = check('fail', { id: 'kexec-allowed', reason: 'No kexec.' });
  const noKvm = check('fail', { id: 'kvm', reason: 'No KVM.' });
  const blocked = check('fail', { id: 'blocked', subject: 'web', reason: 'A blocker.' });
  const stopped = check('fail', { id: 'blocked', subject: 'off', reason: 'A blocker.' });
  const fine = check('warn', { id: 'memory' });
  const all = [noKexec, noKvm, blocked, stopped, fine];
  const doctor: Doctor = {
    checks: all,
    handovers: [
      {
        handover: 'kexec',
        possible: false,
        reasons: ['No kexec.', 'No KVM.', 'VM web: A blocker.', 'VM off: A blocker.'],
      },
      { handover: 'reboot', possible: false, reasons: ['No KVM.'] },
    ],
  };
  expect(checksFor('kexec', doctor, new Set(['web']))).toEqual([noKexec, noKvm, blocked, fine]);
  expect(checksFor('reboot', doctor, new Set(['web']))).toEqual([noKvm, fine]);
});

const observed = (...blackouts: number[]): Partial<Report> => ({
  observation: {
    observer: 'test',
    clock: 'own',
    vms: blackouts.map((blackoutMs, index) => ({
      name: `vm${index}`,
      blackoutMs,
      bootIdSame: true,
      sequenceMonotonic: true,
      integrity: 'ok',
      gaps: [],
    })),
  },
});
const report = (change: Partial<Report> = {}) =>
  fakeReport(buildPlan({ ...inputs, vms: plannedVms([fakeVm('web')]) }), change);

test.each([
  ['nothing is known without past updates', [], null],
  ['the pause stands in where nobody observed', [report()], 550],
  ['the slowest observed VM counts', [report(observed(900, 1200, 700))], 1200],
  ['an odd number has its middle', [report(observed(3)), report(observed(100)), report(observed(5))], 5],
  [
    'an even number has the mean of its two middles',
    [report(observed(2)), report(observed(9)), report(observed(4)), report(observed(8))],
    6,
  ],
  ['other handovers do not count', [report({ ...observed(7), handover: 'reboot' })], null],
  ['aborted updates do not count', [report({ ...observed(7), outcome: 'aborted' })], null],
  ['an update without VMs does not count', [report({ vms: [] })], null],
])('expected blackout: %s', (_, reports, expected) => {
  expect(expectedBlackoutMs(reports, 'kexec')).toBe(expected);
});

test('VMs that cannot be saved are left out as their specs say; by default they stop the update', () => {
  const vm = (name: string, onFailure: 'abort' | 'shutdown' | 'leave') => {
    const { spec, ...rest } = fakeVm(name);
    return { ...rest, spec: { ...spec, onFailure } };
  };
  const vms = [vm('good', 'leave'), vm('stops', 'abort'), vm('down', 'shutdown'), vm('left', 'leave')];
  const reason = 'QEMU cannot save its state: nvme.';
  const failed = ['stops', 'down', 'left'].map((subject) => check('fail', { subject, reason }));
  const leftOut = leftOutOf('kexec', failed, vms);
  expect(leftOut).toEqual([
    { name: 'down', action: 'shutdown' },
    { name: 'left', action: 'leave' },
  ]);
  expect(leftOutOf('vmm', failed, vms)).toEqual(leftOut);
  expect(leftOutOf('module', failed, vms)).toEqual([{ name: 'down', action: 'shutdown' }]);
  expect(leftOutOf('reboot', failed, vms)).toEqual([{ name: 'down', action: 'shutdown' }]);
  expect(leftOutChecks('vmm', leftOut.slice(1), failed)[0]?.reason).toBe(
    `It cannot be moved; as its spec says (onFailure: leave), it stays in its old QEMU. ${reason}`,
  );
  expect(leftOutChecks('kexec', leftOut, failed).map(({ verdict, reason: why }) => [verdict, why])).toEqual([
    [
      'warn',
      `It cannot be saved; as its spec says (onFailure: shutdown), it is shut down beforehand and started again afterwards. ${reason}`,
    ],
    [
      'warn',
      `It cannot be saved; as its spec says (onFailure: leave), it is left behind and ends with the old kernel. ${reason}`,
    ],
  ]);
});
