import { expect, test } from 'vitest';
import type { Growth } from './growth.ts';
import {
  exitStatusOf,
  longestOf,
  NO_BLACKOUTS,
  renderSoak,
  type SoakResult,
  withBlackouts,
} from './result.ts';

const growth: Growth = { under: 'kexec 7.2', what: 'files', before: 40, after: 41, grows: false };
const result = (change: Partial<SoakResult> = {}): SoakResult => ({
  ...{ updates: 10, byHandover: { kexec: 10 }, vmsLost: 0, integrityErrors: 0 },
  ...{ maxBlackoutMs: 9000, maxBlackoutMsByHandover: { ...NO_BLACKOUTS, kexec: 9000 } },
  ...{ growth: [growth], sightings: [] },
  ...change,
});

test('what was lost, damaged or grows is 2, whatever ended the soak; a failed update without a loss is 1', () => {
  expect(exitStatusOf(result())).toBe(0);
  expect(exitStatusOf(result({ growth: [] }))).toBe(0);
  expect(exitStatusOf(result({ problem: 'It was refused.' }))).toBe(1);
  expect(exitStatusOf(result({ problem: 'It failed.', vmsLost: 1 }))).toBe(2);
  expect(exitStatusOf(result({ problem: 'It was refused.', growth: [{ ...growth, grows: true }] }))).toBe(2);
  expect(exitStatusOf(result({ integrityErrors: 1 }))).toBe(2);
  expect(exitStatusOf(result({ growth: [{ ...growth, grows: true }] }))).toBe(2);
});

test('growth is listed by kind of update, and said not to be shown when nothing came twice', () => {
  expect(renderSoak(result())).toContain('\nkexec 7.2:\n      files        40 -> 41\n');
  expect(renderSoak(result({ growth: [] }))).toContain('\nGrowth: not shown. ');
});

test('the longest blackout is that of all updates, and of each handover', () => {
  const kexec = withBlackouts(withBlackouts(NO_BLACKOUTS, 'kexec', [8000, 9000]), 'kexec', [7000]);
  expect([longestOf(NO_BLACKOUTS), longestOf(kexec)]).toEqual([0, 9000]);
  const all = withBlackouts(withBlackouts(kexec, 'vmm', [120.4]), 'reboot', [142_600, 96_400]);
  expect(all).toEqual({ kexec: 9000, vmm: 120.4, module: null, reboot: 142_600 });
  expect(longestOf(all)).toBe(142_600);
  expect(renderSoak(result({ maxBlackoutMs: 142_600, maxBlackoutMsByHandover: all }))).toContain(
    '\nLongest blackout: 142600 ms (kexec 9000 ms, vmm 120 ms, reboot 142600 ms).\n',
  );
});

test('a soak without an update says nothing of blackouts', () => {
  const none = { updates: 0, byHandover: {}, maxBlackoutMs: 0, maxBlackoutMsByHandover: NO_BLACKOUTS };
  expect(renderSoak(result(none))).not.toContain('blackout');
});
