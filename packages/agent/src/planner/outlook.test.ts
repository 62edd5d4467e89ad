import type { Check, Doctor } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { FakeHandover } from '../testing/fake-handover.ts';
import { fakeHost, fakeVm } from '../testing/fakes.ts';
import { outlook } from './outlook.ts';

const WELL: Doctor = {
  checks: [{ id: 'kvm', subject: 'host', verdict: 'ok', reason: 'KVM works.' }],
  handovers: [
    { handover: 'vmm', possible: true, reasons: [] },
    { handover: 'kexec', possible: true, reasons: [] },
    { handover: 'reboot', possible: true, reasons: [] },
  ],
};
const NO_DISK: Check = {
  id: 'vm-disks-there',
  subject: 'web',
  verdict: 'fail',
  reason: 'Its disk is on tmpfs.',
};

function kexecThatFinds(...checks: Check[]): FakeHandover[] {
  const kexec = new FakeHandover('kexec');
  kexec.checksFound = checks;
  return [kexec, new FakeHandover('reboot')];
}

test('what a plan would refuse is said by the doctor, of the handover that it concerns', async () => {
  const vms = [fakeVm('web'), fakeVm('off', { state: 'stopped' })];
  expect(await outlook(WELL, kexecThatFinds(NO_DISK), { host: fakeHost(), vms })).toEqual({
    checks: [...WELL.checks, NO_DISK],
    handovers: [
      { handover: 'vmm', possible: true, reasons: [] },
      { handover: 'kexec', possible: false, reasons: ['VM web: Its disk is on tmpfs.'] },
      { handover: 'reboot', possible: true, reasons: [] },
    ],
  });
});

test('a VM that may be left out stands in nobody’s way', async () => {
  const web = fakeVm('web');
  const vms = [{ ...web, spec: { ...web.spec, onFailure: 'leave' as const } }];
  const { checks, handovers } = await outlook(WELL, kexecThatFinds(NO_DISK), { host: fakeHost(), vms });
  expect(handovers.map(({ possible }) => possible)).toEqual([true, true, true]);
  expect(checks.at(-1)).toMatchObject({ id: 'vm-on-failure', subject: 'web', verdict: 'warn' });
});

test('a handover that cannot be looked into is not possible, and the doctor says why', async () => {
  const [kexec, reboot] = kexecThatFinds();
  if (kexec === undefined || reboot === undefined) throw new Error('There are two.');
  kexec.checks = async () => {
    throw new Error('The firmware is silent.');
  };
  const { handovers } = await outlook(WELL, [kexec, reboot], { host: fakeHost(), vms: [] });
  expect(handovers.map(({ possible }) => possible)).toEqual([true, false, true]);
  expect(handovers[1]?.reasons).toEqual(['The firmware is silent.']);
});
