import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JournalRecord } from '@exuvia/contract';
import { beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../testing/folder.ts';
import { openJournal } from './journal.ts';
import { begin, record } from './records.testing.ts';
import { renderRecord } from './render.ts';

let file: string;
let logged: string[];
const log = (message: string) => void logged.push(message);
beforeEach(async () => {
  file = join(await temporaryFolder(), 'sub', 'journal.jsonl');
  logged = [];
});

test('a journal that does not exist is an empty one', async () => {
  const journal = await openJournal(file, log);
  expect(journal.problem).toBeNull();
  expect(journal.updates.size).toBe(0);
  await journal.close();
  expect(await readFile(file, 'utf8')).toBe('');
});

test('records are read back in the order in which they were appended', async () => {
  const journal = await openJournal(file, log);
  const started = record({ kind: 'step-started', step: 'load' });
  await Promise.all([
    journal.append(begin()),
    journal.append(started, record({ kind: 'step-done', step: 'load' })),
  ]);
  await journal.close();
  const again = await openJournal(file, log);
  expect(again.updates.get('u1')?.view.steps[0]).toMatchObject({ name: 'load', state: 'done', ms: 0 });
  expect(logged).toEqual([]);
  await again.close();
});

test('the commit line that the pause program appends is a record like any other', async () => {
  const journal = await openJournal(file, log);
  await journal.append(begin());
  await appendFile(file, renderRecord(record({ kind: 'commit' })));
  await journal.append(record({ kind: 'abort-requested' }));
  await journal.close();
  const again = await openJournal(file, log);
  expect(again.updates.get('u1')?.committed).toBe(true);
  expect(again.updates.get('u1')?.view.reason).toBe('It was aborted on request.');
  await again.close();
});

test('a torn last line is cut off and the log says so', async () => {
  const whole = renderRecord(begin());
  const journal = await openJournal(file, log);
  await journal.close();
  await writeFile(file, `${whole}${renderRecord(record({ kind: 'commit' })).slice(0, 40)}`);
  const again = await openJournal(file, log);
  expect(again.updates.get('u1')?.committed).toBe(false);
  expect(logged).toEqual([`${file}: cut off 40 bytes of a last line that was never finished.`]);
  expect(await readFile(file, 'utf8')).toBe(whole);
  await again.close();
});

test('half a line that a failed write left behind is cut off before the next record', async () => {
  const journal = await openJournal(file, log);
  await journal.append(begin());
  await appendFile(file, '{"v":1,"at":'.padEnd(70_000, 'x'));
  await journal.append(record({ kind: 'commit' }));
  await journal.close();
  expect(await readFile(file, 'utf8')).toBe(renderRecord(begin()) + renderRecord(record({ kind: 'commit' })));
});

const damaged: readonly (readonly [string, string, string])[] = [
  ['a line that is not JSON', 'nonsense\n', 'line 2 is not JSON.'],
  [
    'a record of another version',
    '{"v":2,"kind":"begin"}\n',
    'line 2 is a record of version 2; this agent knows version 1.',
  ],
  ['a record of an unknown kind', '{"v":1,"kind":"party"}\n', 'line 2 is no journal record (kind: Invalid'],
];
test.each(damaged)('%s makes the journal invalid, and nothing is written to it', async (_, line, message) => {
  const content = renderRecord(begin()) + line + renderRecord(record({ kind: 'commit' }));
  await (await openJournal(file, log)).close();
  await writeFile(file, content);
  const journal = await openJournal(file, log);
  expect(journal.problem).toMatchObject({ code: 'journal-invalid' });
  expect(journal.problem?.message.startsWith(`${file}, ${message}`)).toBe(true);
  expect(journal.problem?.hint).toBe(
    'VMs are served, updates are refused. Install the Exuvia version that wrote the file, or, when no update is open, move it away and restart the agent; nothing was overwritten.',
  );
  await expect(journal.append(record({ kind: 'commit' }))).rejects.toBe(journal.problem);
  await journal.close();
  expect(await readFile(file, 'utf8')).toBe(content);
});

const contradictions: readonly (readonly [string, readonly JournalRecord[], string])[] = [
  ['no beginning', [record({ kind: 'commit' })], 'update u1 has a record but no beginning.'],
  ['two beginnings', [begin(), begin()], 'update u1 begins twice.'],
  [
    'a foreign step',
    [begin(), record({ kind: 'step-done', step: 'x' })],
    'update u1 has a record of step x, which its plan does not have.',
  ],
];
test.each(contradictions)('a journal with %s is invalid', async (_, records, message) => {
  await (await openJournal(file, log)).close();
  await writeFile(file, records.map(renderRecord).join(''));
  const journal = await openJournal(file, log);
  expect(journal.problem?.message).toBe(`${file} contradicts itself: ${message}`);
  await journal.close();
});
