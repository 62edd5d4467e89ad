import { PHASE_SUM_TOLERANCE_PCT, PHASES } from '@exuvia/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherKernel } from '../src/host/agent.ts';
import { labRun } from '../src/host/ssh.ts';
import type { Observer } from '../src/observer/observer.ts';
import { observedUpdate } from '../src/update/observed-update.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import { freshLab, progress, qemusByVm, watchedGuests } from './support/lab.ts';

const lab = await freshLab({ withStore: true });
let observer: Observer;

beforeAll(async () => {
  observer = await watchedGuests(lab);
});
afterAll(() => observer.stop());

test.each([
  ['from the old kernel to the new one', () => lab.kernels.new],
  ['back to the old one, without a fresh boot in between', () => lab.kernels.old],
  ['and to the new one again', () => lab.kernels.new],
])('three VMs live through an update %s', async (_, target) => {
  const { now: from } = await observer.peek();
  const to = target();
  expect(to).toBe(await otherKernel(lab));
  const seen = await observedUpdate(lab, observer, { kernel: to }, progress);

  expect(seen.update).toMatchObject({ state: 'completed', reason: null, from: seen.before.kernel, to });
  expect((await labRun(lab, 'uname -r')).stdout).toBe(to);
  expect(seen.after.bootId).not.toBe(seen.before.bootId);
  await expectGuestsLivedOn(observer, from);
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  expect((await labRun(lab, 'systemctl is-system-running', { allowFailure: true })).stdout).toBe('running');

  const { report } = seen;
  expect(report.outcome).toBe('completed');
  expect(report.phases.map(({ name }) => name)).toEqual(PHASES);
  expect(report.deviationPct).toBeLessThanOrEqual(PHASE_SUM_TOLERANCE_PCT);
  expect(report.observation?.vms).toHaveLength(3);
  for (const vm of report.vms) {
    expect(vm).toMatchObject({ outcome: 'running', bootIdSame: true, heartbeatContinued: true });
    const blackout = report.observation?.vms.find(({ name }) => name === vm.name)?.blackoutMs ?? 0;
    // Seen from outside, a guest stands still at least as long as the host says that it held it.
    expect(blackout).toBeGreaterThan((vm.pausedMs ?? Number.NaN) * 0.98);
  }
});
