import { access, appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { afterAll, describe, expect, test } from 'vitest';
import { openJournal } from './journal.ts';
import { begin } from './records.testing.ts';

const directory = await mkdtemp(join(tmpdir(), 'exuvia-full-'));
const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', directory], {
  allowFailure: true,
}).then(({ exitCode }) => exitCode === 0);

describe.skipIf(!mounted)('a journal on a full disk (skipped where a small tmpfs cannot be mounted)', () => {
  afterAll(async () => {
    await run('umount', [directory]);
    await rm(directory, { recursive: true });
  });

  test('takes what an update needs to end out of its reserve', async () => {
    const file = join(directory, 'journal.jsonl');
    const journal = await openJournal(file, () => {});
    const fill = async () => {
      for (;;) await appendFile(join(directory, 'filler'), Buffer.alloc(4096));
    };
    await expect(fill()).rejects.toMatchObject({ code: 'ENOSPC' });
    const records = Array.from({ length: 40 }, (_, index) => ({ ...begin(), update: `u${index}` }));
    for (const record of records) await journal.append(record);
    await expect(access(`${file}.reserve`)).rejects.toMatchObject({ code: 'ENOENT' });
    await journal.close();

    await rm(join(directory, 'filler'));
    const again = await openJournal(file, () => {});
    expect([...again.updates.keys()]).toEqual(records.map(({ update }) => update));
    await expect(access(`${file}.reserve`)).resolves.toBeUndefined();
    await again.close();
  });
});
