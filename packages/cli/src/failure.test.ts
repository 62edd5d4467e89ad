import { ExuviaError } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { reportFailure } from './failure.ts';
import type { Io } from './io.ts';

const quiet = { out: () => undefined, err: () => undefined } as unknown as Io;
const statusOf = (code: string) => reportFailure(new ExuviaError(code, 'Text.'), quiet, false);

test.each([
  'guest-not-running',
  'guest-read-too-long',
  'guest-page-table',
  'guest-journal-damaged',
  'guest-cpu-feature',
  'guest-jump-too-far',
  'guest-orc',
  'guest-btf',
  'guest-return-thunk',
  'guest-indirect-thunk',
  'patch-refused',
  'patch-headers-missing',
  'file-unreadable',
])('%s is a refusal', (code) => {
  expect(statusOf(code)).toBe(3);
});

test.each([
  'guest-gdb-closed',
  'guest-gdb-protocol',
  'guest-guard',
  'guest-stop-program',
  'guest-unwatched',
  'guest-write-lost',
  'qmp-protocol',
  'else',
])('%s is a failure', (code) => {
  expect(statusOf(code)).toBe(1);
});

test.each(['qmp-closed', 'qmp-timeout'])('%s says that nobody was reached', (code) => {
  expect(statusOf(code)).toBe(4);
});
