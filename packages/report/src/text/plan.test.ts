import type { Plan } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { renderPlanText } from './plan.ts';

const PLAN: Plan = {
  version: 1,
  id: '20261121-104312-kexec',
  createdAt: '2026-11-21T10:43:12.000Z',
  host: { hostname: 'lab-host', bootId: '', kernel: '6.12.107+deb13-cloud-amd64', qemu: '10.0.13' },
  target: { kernel: '7.2.12+deb13-cloud-amd64', qemu: null, modules: [] },
  handover: 'kexec',
  store: 'dax',
  vms: [
    { name: 'busy', priority: 1, memoryBytes: 2 ** 30, onFailure: 'abort', qemu: null, method: null },
    { name: 'tiny', priority: 2, memoryBytes: 64 * 2 ** 20, onFailure: 'abort', qemu: null, method: null },
  ],
  leftOut: [],
  parallel: 1,
  alternatives: [],
  livepatches: [],
  checks: [
    { id: 'kexec-allowed', subject: 'host', verdict: 'ok', reason: 'kexec is allowed.' },
    {
      id: 'machine-type',
      subject: 'busy',
      verdict: 'warn',
      reason: 'The machine type pc is not versioned.',
      remedy: 'Set machine: pc-i440fx-10.0.',
    },
  ],
  steps: [
    { name: 'load', phase: null, description: 'Load the kernel.' },
    { name: 'pause', phase: 'VM suspend', description: 'Stop all VMs.' },
  ],
  expectedBlackoutMs: 2601.5,
  aptLine: null,
  executable: true,
};

test('a plan shows what changes, every check with its remedy, and every step', () => {
  expect(renderPlanText(PLAN)).toBe(`Plan 20261121-104312-kexec
  host      lab-host, QEMU 10.0.13
  changes   kernel 6.12.107+deb13-cloud-amd64 -> 7.2.12+deb13-cloud-amd64
  handover  kexec, memory of VMs in store dax
  VMs       busy (1G), tiny (64M)
  blackout  about 2.60 s, the median of past updates

Checks
  ok    host  kexec-allowed  kexec is allowed.
  warn  busy  machine-type   The machine type pc is not versioned.
                             -> Set machine: pc-i440fx-10.0.

Steps
  1  load   Load the kernel.
  2  pause  Stop all VMs. [VM suspend]

To execute it: exuvia update --plan 20261121-104312-kexec
`);
});

test('a plan that cannot be executed counts its failed checks and names what is missing', () => {
  const failed = { id: 'kernel', subject: 'host', verdict: 'fail', reason: 'It is not installed.' } as const;
  const plan: Plan = {
    ...PLAN,
    vms: [],
    checks: [failed],
    steps: [],
    expectedBlackoutMs: null,
    aptLine: 'apt install linux-image-7.2.12+deb13-cloud-amd64',
    executable: false,
  };
  expect(renderPlanText(plan)).toBe(`Plan 20261121-104312-kexec
  host      lab-host, QEMU 10.0.13
  changes   kernel 6.12.107+deb13-cloud-amd64 -> 7.2.12+deb13-cloud-amd64
  handover  kexec, memory of VMs in store dax
  VMs       none is running
  blackout  none: no VM is running

Checks
  fail  host  kernel  It is not installed.

Missing: apt install linux-image-7.2.12+deb13-cloud-amd64
This plan cannot be executed: 1 check failed.
`);
});
