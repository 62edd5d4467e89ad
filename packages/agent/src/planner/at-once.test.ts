import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { atOnce, atOnceChecks, vmProcessors } from './at-once.ts';

test('as many VMs are moved at once as are asked for, and as processors can serve', () => {
  expect(atOnce({ parallel: 4 }, 64)).toBe(4);
  expect(atOnce({ parallel: 8 }, 4)).toBe(2);
  expect(atOnce({ parallel: 8 }, 5)).toBe(2);
  expect(atOnce({ parallel: 8 }, 1)).toBe(1);
  expect(atOnce({}, 64)).toBe(1);
});

test('VMs have the processors that agent.yaml leaves them', () => {
  expect(vmProcessors('1-3,6')).toBe(4);
  expect(vmProcessors(undefined)).toBe(availableParallelism());
});

test('a plan says why fewer VMs are moved at once than were asked for', () => {
  expect(atOnceChecks('vmm', { parallel: 8 }, { processors: 2, vms: 8 })).toEqual([
    {
      id: 'parallel',
      subject: 'host',
      verdict: 'warn',
      reason: 'One VM is moved at a time, not 8: VMs may run on 2 processors, and a move keeps two busy.',
    },
  ]);
  expect(atOnceChecks('vmm', { parallel: 64 }, { processors: 6, vms: 4 })[0]?.reason).toBe(
    '3 VMs are moved at a time, not 4: VMs may run on 6 processors, and a move keeps two busy.',
  );
});

test('nothing is said where all of them are, and of other handovers', () => {
  expect(atOnceChecks('vmm', { parallel: 8 }, { processors: 2, vms: 1 })).toEqual([]);
  expect(atOnceChecks('vmm', {}, { processors: 1, vms: 8 })).toEqual([]);
  expect(atOnceChecks('kexec', { parallel: 8 }, { processors: 2, vms: 8 })).toEqual([]);
});
