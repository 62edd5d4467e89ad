import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openJournal } from './journal.ts';
import { EMPTY_LEDGER, follow } from './ledger.ts';
import { renderLine } from './lines.ts';
import type { JournalRecord, PatchPlan } from './records.ts';

const OPENED: JournalRecord = {
  kind: 'opened',
  release: '6.12.117',
  buildId: 'b1',
  epoch: 'e1',
  filler: [{ address: 0xffff_ffff_8200_0040n, length: 8192 }],
};

function plan(id: string, address: bigint, replaces: string[] = []): PatchPlan {
  return {
    ...{ id, name: id, file: `${id}.ko`, sha256: '00', at: '2026-11-21T14:00:00.000Z', codeSha256: '11' },
    code: { address, length: 64 },
    data: null,
    sites: [
      {
        ...{ object: 'vmlinux', name: 'f', position: 0, kind: 'fentry' },
        oldAddress: 0xffff_ffff_8100_0000n,
        old: [{ address: 0xffff_ffff_8100_0000n, length: 32 }],
        newAddress: address,
        new: [{ address, length: 64 }],
        at: 0xffff_ffff_8100_0004n,
        expected: Buffer.from('0f1f440000', 'hex'),
        jump: Buffer.from('e901020304', 'hex'),
        original: Buffer.from('0f1f440000', 'hex'),
      },
    ],
    replaces,
    restores: [],
    unwind: { addresses: [address], entries: Buffer.from('080000000500', 'hex') },
  };
}

const planned = (id: string, address = 0xffff_ffff_8200_0040n, replaces: string[] = []): JournalRecord => ({
  kind: 'planned',
  patch: plan(id, address, replaces),
});
const step = (
  kind: 'switching' | 'switched' | 'complete' | 'reverting' | 'reverted' | 'retired',
  id: string,
) => ({
  kind,
  id,
});

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-guest-journal-'));
  file = join(folder, 'web', 'journal');
});
afterEach(() => rm(folder, { recursive: true }));

describe('a journal', () => {
  test('says after it was closed what it said before, addresses and bytes included', async () => {
    const journal = await openJournal(file);
    await journal.append(OPENED, planned('a'), step('switching', 'a'));
    await journal.append(step('switched', 'a'));
    const { ledger } = journal;
    await journal.close();
    const again = await openJournal(file);
    expect(again.ledger).toEqual(ledger);
    expect(again.ledger.patches).toEqual([
      { phase: 'transitioning', plan: plan('a', 0xffff_ffff_8200_0040n) },
    ]);
    await again.close();
  });

  test('cuts off a line that was never finished: what it announces was not begun', async () => {
    const journal = await openJournal(file);
    await journal.append(OPENED);
    await journal.close();
    const whole = await readFile(file, 'utf8');
    await appendFile(file, renderLine(planned('a')).slice(0, -1));
    const again = await openJournal(file);
    expect(again.ledger.patches).toEqual([]);
    await again.append(planned('b'));
    await again.close();
    expect(await readFile(file, 'utf8')).toBe(whole + renderLine(planned('b')));
  });

  test.each([
    ['a changed character', (line: string) => line.replace('6.12.117', '6.12.118'), 'its checksum is wrong.'],
    ['a line of something else', () => 'hello\n', 'its checksum is wrong.'],
    [
      'a record of a later version',
      () => renderLine({ ...OPENED, kind: 'merged' } as unknown as JournalRecord),
      'it is no record that this version knows (Invalid',
    ],
  ])('with %s is refused, and left as it is', async (_, change, why) => {
    await (await openJournal(file)).close();
    const text = renderLine(OPENED) + change(renderLine(OPENED));
    await writeFile(file, text);
    const opening = openJournal(file);
    await expect(opening).rejects.toMatchObject({ code: 'guest-journal-damaged' });
    await expect(opening).rejects.toThrow(`${file}, line 2: ${why}`);
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  test('that a record cannot follow on is refused before anything is written', async () => {
    const journal = await openJournal(file);
    await journal.append(OPENED, planned('a'));
    const before = await readFile(file, 'utf8');
    await expect(journal.append(step('retired', 'a'))).rejects.toThrow(
      'patch a is retired while it was planned.',
    );
    expect(await readFile(file, 'utf8')).toBe(before);
    await journal.close();
  });

  test('forgets what is over when it has grown and no patch is left, but not where code has been', async () => {
    const journal = await openJournal(file);
    await journal.append(OPENED);
    while ((await stat(file)).size < 2 ** 20) {
      for (const kind of ['switching', 'switched', 'reverting', 'reverted', 'retired'] as const) {
        if (kind === 'switching') await journal.append(planned('a'));
        await journal.append(step(kind, 'a'));
      }
    }
    await journal.append(planned('b'));
    await journal.compact();
    expect((await stat(file)).size).toBeGreaterThan(2 ** 20);
    await journal.append({ kind: 'undone', id: 'b', reason: 'test' });
    const { ledger } = journal;
    await journal.compact();
    expect((await stat(file)).size).toBeLessThan(1000);
    await journal.append(planned('c'));
    await journal.close();
    const again = await openJournal(file);
    expect({ ...again.ledger, patches: [] }).toEqual(ledger);
    expect(again.ledger.used).toEqual([{ address: 0xffff_ffff_8200_0040n, length: 64 }]);
    await again.close();
  });
});

describe('the ledger', () => {
  const after = (...records: JournalRecord[]) => records.reduce(follow, EMPTY_LEDGER);

  test('a guest that has booted has no patches', () => {
    const ledger = after(OPENED, planned('a'), step('switched', 'a'), {
      ...OPENED,
      epoch: 'e2',
    } as JournalRecord);
    expect(ledger.patches).toEqual([]);
    expect(ledger.used).toEqual([]);
    expect(ledger.kernel?.epoch).toBe('e2');
  });

  test('a patch that takes the place of others sends them off in the moment of its switch', () => {
    const far = 0xffff_ffff_8200_0080n;
    const ledger = after(
      ...[OPENED, planned('a'), step('switched', 'a'), step('complete', 'a'), planned('b', far, ['a'])],
    );
    expect(ledger.patches.map(({ phase }) => phase)).toEqual(['complete', 'planned']);
    expect(follow(ledger, step('switched', 'b')).patches.map(({ phase }) => phase)).toEqual([
      'retiring',
      'transitioning',
    ]);
  });

  test('neighbouring code room counts once', () => {
    const ledger = after(
      OPENED,
      planned('a'),
      planned('b', 0xffff_ffff_8200_0080n),
      planned('c', 0xffff_ffff_8200_0060n),
    );
    expect(ledger.used).toEqual([{ address: 0xffff_ffff_8200_0040n, length: 128 }]);
  });

  test('a patch cannot be planned twice at once', () => {
    expect(() => after(OPENED, planned('a'), planned('a'))).toThrow(
      "The journal of the guest's patches contradicts itself: patch a is planned twice.",
    );
  });
});
