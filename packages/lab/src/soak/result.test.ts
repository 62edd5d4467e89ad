import { expect, test } from 'vitest';
import type { Growth } from './growth.ts';
import { exitStatusOf, renderSoak, type SoakResult } from './result.ts';

const growth: Growth = { under: 'kexec 7.2', what: 'files', before: 40, after: 41, grows: false };
const result = (change: Partial<SoakResult> = {}): SoakResult => ({
  ...{ updates: 10, byHandover: { kexec: 10 }, vmsLost: 0, integrityErrors: 0, maxBlackoutMs: 9000 },
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
