import { expect, test } from 'vitest';
import type { ObservedUpdate } from '../update/observed-update.ts';
import { asRun } from './vmm.ts';
import { vmmKeepsLimits, vmmResult } from './vmm-result.ts';

const BUSY = {
  ...{ name: 'busy', blackoutMs: 150, bootIdSame: true, sequenceMonotonic: true },
  ...{ integrity: 'ok', gaps: [] },
};
/** Only what a run is made of. */
const seen = (change: { vm?: object; state?: string; method?: string } = {}) =>
  ({
    update: { id: 'U', state: change.state ?? 'completed', reason: null, from: '10.0', to: '11.1' },
    plan: { vms: [{ name: 'busy', method: change.method ?? 'cpr-transfer' }] },
    observation: { vms: [{ ...BUSY, ...change.vm }] },
    observerPauseMs: 5,
    report: { vms: [{ name: 'busy', pausedMs: 120 }] },
  }) as unknown as ObservedUpdate;

const RUN = { from: '10.0', to: '11.1', busyMemory: '512M', blackoutMs: 150, stopToResumeMs: 120 };

test('a move by cpr-transfer that the guest has lived through counts', () => {
  expect(asRun(seen(), '512M')).toEqual({ ...RUN, observerPauseMs: 5 });
});

test.each([
  ['another method', { method: 'in-place' }, 'busy moved by in-place, not by cpr-transfer'],
  ['another boot', { vm: { bootIdSame: false } }, 'busy was started again'],
  ['numbers that began anew', { vm: { sequenceMonotonic: false } }, 'busy was started again'],
  ['damage', { vm: { integrity: 'failed' } }, 'the integrity of busy is failed'],
  ['an abort', { state: 'aborted' }, 'aborted'],
])('%s does not count', (_, change, why) => {
  expect(() => asRun(seen(change), '512M')).toThrow(`Update U does not count: ${why}.`);
});

test('a live migration that had to be forced is shown', () => {
  const run = { ...RUN, observerPauseMs: 5 };
  const result = (converged: boolean) =>
    vmmResult({
      ...{ updates: [run], largeUpdates: [run] },
      liveMigrations: [{ downtimeMs: 200, totalMs: 9000, converged }],
    });
  expect(vmmKeepsLimits(result(true))).toBe(true);
  expect(result(false).runs.liveMigrations[0]?.converged).toBe(false);
});
