import type { Check } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { type Candidate, chooseHandover, explainAlternatives, shortfall } from './alternatives.ts';

const KERNEL = '6.12.107';
const QEMU = { binary: '/opt/qemu', version: '11.1.3', package: '' };
const target = { kernel: KERNEL, qemu: null, modules: [], method: null };
const fail: Check = { id: 'some', subject: 'host', verdict: 'fail', reason: 'It does not work.' };
const candidate = (kind: Candidate['kind'], change: Partial<Candidate> = {}): Candidate => ({
  ...{ kind, checks: [], leftOut: [], shortfall: null, expectedBlackoutMs: null },
  ...change,
});

test.each([
  ['vmm', { ...target, qemu: QEMU }, null],
  ['vmm', { ...target, qemu: QEMU, kernel: '7.2' }, 'It does not bring kernel 7.2.'],
  ['vmm', { ...target, modules: ['kvm'] }, 'It does not bring modules kvm.'],
  ['vmm', target, 'It does not bring anything: no other QEMU was asked for.'],
  ['module', { ...target, qemu: QEMU, modules: ['kvm'] }, null],
  ['module', { ...target, kernel: '7.2' }, 'It does not bring kernel 7.2.'],
  ['kexec', { ...target, qemu: QEMU, kernel: '7.2', modules: ['kvm'] }, null],
  ['reboot', { ...target, kernel: '7.2' }, null],
] as const)('what %s leaves undone of %o', (kind, wanted, missing) => {
  expect(shortfall(kind, wanted, KERNEL)).toBe(missing);
});

const none = candidate('vmm', { checks: null, shortfall: 'It does not bring kernel 7.2.' });

test('the cheapest that brings everything and works is taken', () => {
  const kexec = candidate('kexec');
  expect(chooseHandover([none, kexec, candidate('reboot')], undefined)).toBe(kexec);
  const blocked = candidate('kexec', { checks: [fail] });
  const reboot = candidate('reboot');
  expect(chooseHandover([none, blocked, reboot], undefined)).toBe(reboot);
  expect(chooseHandover([none, blocked], undefined)).toBe(blocked);
});

test('an order is an order', () => {
  const reboot = candidate('reboot');
  expect(chooseHandover([candidate('kexec'), reboot], 'reboot')).toBe(reboot);
  expect(chooseHandover([none, reboot], 'vmm')).toBe(none);
});

test('every way is explained, with what it costs and what is in its way', () => {
  const kexec = candidate('kexec', { expectedBlackoutMs: 2500 });
  const reboot = candidate('reboot', { checks: [fail] });
  const explained = explainAlternatives([none, kexec, reboot], kexec, { ordered: false, livepatches: 0 });
  expect(
    explained.map(({ handover, reaches, possible, chosen, expectedBlackoutMs }) => {
      return [handover, reaches, possible, chosen, expectedBlackoutMs];
    }),
  ).toEqual([
    ['livepatch', false, false, false, null],
    ['vmm', false, false, false, null],
    ['kexec', true, true, true, 2500],
    ['reboot', true, false, false, null],
  ]);
  expect(explained.map(({ reason }) => reason)).toEqual([
    'Hot patching mends single functions of the running kernel; it does not bring what was asked for. None is loaded.',
    'It does not bring kernel 7.2.',
    'All VMs stand still while one kernel gives way to the other; memory stays in place. The cheapest that brings everything.',
    'All VMs stand still while the machine starts anew through its firmware. In its way: host: It does not work.',
  ]);
});
