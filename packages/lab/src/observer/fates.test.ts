import type { Observation } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { fatesSince } from './fates.ts';

type Seen = Observation['vms'][number];
const vm = (name: string, change: Partial<Seen> = {}): Seen => ({
  ...{ name, blackoutMs: 5, bootIdSame: true, sequenceMonotonic: true, integrity: 'ok', gaps: [] },
  ...change,
});

/** Stands for an observer of VMs that look like this, one row after the other, each after a wait for more work. */
function watching(silent: readonly string[], ...rows: readonly Seen[][]) {
  let row = 0;
  return {
    silentVms: async () => [...silent],
    observation: async () => ({ observer: '', clock: '', longestPauseMs: 1, vms: rows[row] ?? [] }),
    waitForWork: async () => {
      row = Math.min(row + 1, rows.length - 1);
    },
  };
}
const fates = (...args: Parameters<typeof watching>) => fatesSince(watching(...args), 0, ['a', 'b'], 1);

test('VMs that lived on are neither lost nor damaged', async () => {
  expect(await fates([], [vm('a'), vm('b')])).toEqual({ lost: [], damaged: [] });
});

test('a VM that no longer beats is lost, though what was seen of it looks well', async () => {
  expect(await fates(['b'], [vm('a'), vm('b', { integrity: 'unknown' })])).toEqual({
    lost: ['b'],
    damaged: [],
  });
});

test('a VM that was started again, or that nobody saw, is lost', async () => {
  expect(await fates([], [vm('a', { bootIdSame: false })])).toEqual({ lost: ['a', 'b'], damaged: [] });
});

test('work is waited for; what was found wrong is damage, and what is never shown to be whole is too', async () => {
  const unsure = vm('b', { integrity: 'unknown' });
  expect(await fates([], [vm('a'), unsure], [vm('a'), vm('b')])).toEqual({ lost: [], damaged: [] });
  expect(await fates([], [vm('a', { integrity: 'failed' }), unsure])).toEqual({
    lost: [],
    damaged: ['a', 'b'],
  });
});
