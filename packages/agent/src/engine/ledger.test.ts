import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalRecord } from '@exuvia/contract';
import { expect, test } from 'vitest';
import type { Journal } from '../journal/index.ts';
import { TEST_PLAN } from '../journal/records.testing.ts';
import { type Closing, closeUpdate } from './closing.ts';
import { createLedger } from './ledger.ts';

const { id: update } = TEST_PLAN;
const step = TEST_PLAN.steps[0]?.name ?? '';

/** A ledger on a disk that takes its time, in which an update has begun. */
async function slowLedger() {
  const written: JournalRecord[] = [];
  const append = async (...records: JournalRecord[]) => {
    await sleep(5);
    written.push(...records);
  };
  const journal = { updates: new Map(), append } as unknown as Journal;
  const ledger = createLedger(journal, TEST_PLAN.host.bootId, () => new Date(0));
  await ledger.record({ kind: 'begin', update, plan: TEST_PLAN }, 'begins');
  return { ledger, kinds: () => written.map(({ kind }) => kind) };
}

test('of two records at the same time neither loses what the other says', async () => {
  const { ledger, kinds } = await slowLedger();
  await Promise.all([
    ledger.record({ kind: 'step-started', update, step }, 'starts'),
    ledger.record({ kind: 'abort-requested', update }, 'An abort was requested.'),
  ]);
  const { begun, view } = ledger.known(update);
  expect(Object.keys(begun)).toEqual([step]);
  expect(view.reason).toBe('It was aborted on request.');
  expect(kinds()).toEqual(['begin', 'step-started', 'abort-requested']);
});

test('whether a record is allowed is asked when its turn has come, and what is refused is not written', async () => {
  const { ledger, kinds } = await slowLedger();
  const started = ledger.record({ kind: 'step-started', update, step }, 'starts');
  const refused = ledger.record({ kind: 'abort-requested', update }, 'An abort was requested.', (state) => {
    throw new Error(Object.keys(state?.begun ?? {}).join());
  });
  await expect(refused).rejects.toThrow(step);
  await started;
  await ledger.record({ kind: 'step-done', update, step }, 'done');
  expect(kinds()).toEqual(['begin', 'step-started', 'step-done']);
});

test('what was kept back is written before what comes after it', async () => {
  const { ledger, kinds } = await slowLedger();
  ledger.deferWrites();
  const all = [
    ledger.record({ kind: 'step-started', update, step }, 'starts'),
    ledger.flush(),
    ledger.record({ kind: 'step-done', update, step }, 'done'),
  ];
  await Promise.all(all);
  expect(kinds()).toEqual(['begin', 'step-started', 'step-done']);
});

test('an end that cannot be written is told to those who follow, and is only in memory', async () => {
  const journal = {
    updates: new Map(),
    append: async (record: JournalRecord) => {
      if (record.kind === 'closed') throw new Error('EIO: i/o error, fsync');
    },
  } as unknown as Journal;
  const ledger = createLedger(journal, TEST_PLAN.host.bootId, () => new Date(0));
  await ledger.record({ kind: 'begin', update, plan: TEST_PLAN }, 'begins');
  const told: string[] = [];
  ledger.subscribe(update, ({ message, update: { state } }) => told.push(`${state}: ${message}`));
  const closing = {
    ...{ ledger, now: () => new Date(0), log: () => {} },
    reports: { write: async () => {} },
    host: async () => TEST_PLAN.host,
    vms: async () => [],
  } as unknown as Closing;
  await closeUpdate(closing, update, { outcome: 'aborted', reason: 'It was aborted.' });
  expect(told).toEqual([
    'aborted: The update is aborted: It was aborted. The journal could not be written: EIO: i/o error, fsync',
  ]);
});
