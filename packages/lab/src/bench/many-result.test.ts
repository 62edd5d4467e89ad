import { expect, test } from 'vitest';
import type { ManyRun } from './many.ts';
import { blackoutsOf } from './many.ts';
import { manyKeepsLimits, manyResult, overlapMs, rankOfFirst } from './many-result.ts';

const run = (handover: 'vmm' | 'kexec', ...times: [number, number][]): ManyRun => ({
  handover,
  observerPauseMs: 5,
  blackouts: times.map(([fromMs, toMs], index) => ({ name: `guest-${index + 1}`, fromMs, toMs })),
});

test('pauses overlap when there is a moment in which all stand still', () => {
  expect(overlapMs(run('vmm', [0, 10], [5, 20], [8, 12]).blackouts)).toBe(2);
  expect(overlapMs(run('vmm', [0, 10], [11, 20]).blackouts)).toBe(-1);
});

test('the first by priority has the rank of those that ran on before it', () => {
  expect(rankOfFirst(run('vmm', [0, 10], [0, 20], [0, 12]).blackouts)).toBe(0);
  expect(rankOfFirst(run('vmm', [0, 30], [0, 20], [0, 12]).blackouts)).toBe(2);
});

test('the slowest of many is compared with one alone, and every limit must be kept', () => {
  const single = [run('vmm', [0, 100]), run('kexec', [0, 1000])];
  const good = manyResult({
    single,
    many: [run('vmm', [0, 150], [9, 80]), run('kexec', [0, 1100], [0, 1400])],
  });
  expect(good.comparisons).toMatchObject([
    { handover: 'vmm', singleMs: 100, slowestMs: 150, ratio: 1.5, overlapMs: 71, firstWasEarly: 0, runs: 1 },
    { handover: 'kexec', ratio: 1.4, overlapMs: 1100, firstWasEarly: 1 },
  ]);
  expect(manyKeepsLimits(good)).toBe(true);
  expect(manyKeepsLimits(manyResult({ single, many: [run('vmm', [0, 151], [9, 80])] }))).toBe(false);
  expect(manyKeepsLimits(manyResult({ single, many: [run('vmm', [0, 50], [60, 80])] }))).toBe(false);
});

test('a blackout has a beginning and an end; a VM that did not live on does not count', () => {
  const vm = {
    ...{ name: 'a', blackoutMs: 80.5, bootIdSame: true, sequenceMonotonic: true, integrity: 'ok' as const },
    gaps: [
      [0, 1],
      [12.25, 80.5],
    ] as [number, number][],
  };
  expect(blackoutsOf([vm], ['a'])).toEqual([{ name: 'a', fromMs: 12.25, toMs: 92.75 }]);
  expect(() => blackoutsOf([{ ...vm, integrity: 'failed' }], ['a'])).toThrow('VM a was not seen to live on.');
});
