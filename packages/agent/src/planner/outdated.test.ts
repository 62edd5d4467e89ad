import { expect, test } from 'vitest';
import { FAKE_STEPS } from '../testing/fake-handover.ts';
import { fakeHost, fakeVm } from '../testing/fakes.ts';
import { buildPlan, plannedVms } from './build.ts';
import { planDeviations, requireExecutable } from './outdated.ts';

const steps = FAKE_STEPS.map(([name, phase]) => ({ name, phase, description: `does ${name}` }));
const host = fakeHost();
const vms = [fakeVm('web')];
const plan = buildPlan({
  id: '20261121-100000-abcd',
  createdAt: new Date(0),
  host,
  target: { kernel: '7.2.12+deb13-amd64', qemu: null, modules: [] },
  ...{ parallel: 1, leftOut: [], alternatives: [], livepatches: [] },
  handover: 'kexec',
  store: 'dax',
  vms: plannedVms(vms),
  steps,
  checks: [],
  expectedBlackoutMs: null,
});
const now = { host, vms, steps };
const big = fakeVm('web');

test.each([
  ['nothing', now, []],
  [
    'another kernel runs',
    { ...now, host: fakeHost({ kernel: '6.1' }) },
    ['the kernel is 6.1, not 6.12.107+deb13-amd64'],
  ],
  ['the host was booted', { ...now, host: fakeHost({ bootId: 'x' }) }, ['the host has been booted since']],
  ['QEMU was upgraded', { ...now, host: fakeHost({ qemu: '11.1.3' }) }, ['QEMU is 11.1.3, not 10.0.13']],
  ['QEMU was removed', { ...now, host: fakeHost({ qemu: null }) }, ['QEMU is none, not 10.0.13']],
  [
    'the target was removed',
    { ...now, host: fakeHost({ kernels: [] }) },
    ['the kernel 7.2.12+deb13-amd64 is no longer installed'],
  ],
  ['the VM was stopped', { ...now, vms: [] }, ['the running VMs are none, not web (134217728 bytes)']],
  [
    'the VM has grown',
    { ...now, vms: [{ ...big, spec: { ...big.spec, memory: '1G' } }] },
    ['the running VMs are web (1073741824 bytes), not web (134217728 bytes)'],
  ],
  ['the agent was upgraded', { ...now, steps: steps.slice(1) }, ['the agent does other steps now']],
])('deviations when %s', (_, found, expected) => {
  expect(planDeviations(plan, found)).toEqual(expected);
});

test('an outdated plan is refused with every deviation', () => {
  const found = { ...now, host: fakeHost({ kernel: '6.1', bootId: 'x' }) };
  expect(() => requireExecutable(plan, found)).toThrow(
    expect.objectContaining({
      code: 'plan-outdated',
      message:
        'Plan 20261121-100000-abcd no longer fits this host: the kernel is 6.1, not 6.12.107+deb13-amd64; the host has been booted since.',
    }),
  );
});

test('a plan with failed checks is refused with their reasons and remedies', () => {
  const failed = {
    ...plan,
    executable: false,
    checks: [
      { id: 'a', subject: 'host', verdict: 'fail', reason: 'No store.', remedy: 'Set one up.' },
      { id: 'b', subject: 'web', verdict: 'fail', reason: 'A blocker.' },
      { id: 'c', subject: 'host', verdict: 'ok', reason: 'Fine.' },
    ] as const,
  };
  expect(() => requireExecutable({ ...failed, checks: [...failed.checks] }, now)).toThrow(
    expect.objectContaining({
      code: 'plan-not-executable',
      message: 'The host is not ready for this update: host: No store; web: A blocker.',
      hint: 'Set one up.',
    }),
  );
});
