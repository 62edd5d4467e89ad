import { expect, test } from 'vitest';
import { type Footprint, growthOf } from './growth.ts';

const before: Footprint = {
  agentKib: 90_000,
  agentFds: 30,
  qemuKib: 120_000,
  qemuFds: 60,
  files: 40,
  historyBulk: 0,
  bootEntries: 5,
  storeKib: 1_000_000,
  kernelKib: 40_000,
};
const growing = (change: Partial<Footprint>) =>
  growthOf([
    { under: 'a', footprint: before },
    { under: 'a', footprint: { ...before, ...change } },
  ])
    .filter(({ grows }) => grows)
    .map(({ what }) => what);

test('what stays as it was, settles a little, or becomes less does not grow', () => {
  expect(growing({})).toEqual([]);
  expect(growing({ agentKib: 100_000, agentFds: 32, files: 41, storeKib: 900_000 })).toEqual([]);
});

test('one boot entry more is growth, and so are files, descriptors and memory', () => {
  expect(growing({ bootEntries: 6 })).toEqual(['bootEntries']);
  expect(growing({ historyBulk: 1 })).toEqual(['historyBulk']);
  expect(growing({ files: 42, agentFds: 33, qemuKib: 150_000 })).toEqual(['agentFds', 'qemuKib', 'files']);
});

test('what could not be counted counts as growth', () => {
  expect(growing({ storeKib: Number.NaN })).toEqual(['storeKib']);
});

test('every kind of moment is compared, its first with its last, once it is warm', () => {
  const seen = (...moments: readonly string[]) =>
    growthOf(moments.map((under, files) => ({ under, footprint: { ...before, files } }))).flatMap((growth) =>
      growth.what === 'files' ? [[growth.under, growth.before, growth.after]] : [],
    );
  expect(seen('a', 'b', 'a', 'b', 'a', 'b', 'a')).toEqual([
    ['a', 2, 6],
    ['b', 3, 5],
  ]);
  expect(seen('a', 'b', 'a 11.1', 'b', 'a 11.1', 'b', 'b')).toEqual([
    ['a 11.1', 2, 4],
    ['b', 3, 6],
  ]);
  expect(seen('a', 'b', 'a')).toEqual([['a', 0, 2]]);
  expect(seen('a', 'b')).toEqual([]);
  expect(seen()).toEqual([]);
});
