import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalRecord } from '@exuvia/contract';
import { expect, test } from 'vitest';
import type { Journal } from '../journal/index.ts';
import { TEST_PLAN } from '../journal/records.testing.ts';
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
