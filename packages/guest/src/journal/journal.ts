import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readIfExists, syncDirectory, writeFileDurably } from '@exuvia/sys';
import { fault } from '../support/fault.ts';
import { EMPTY_LEDGER, follow, type Ledger } from './ledger.ts';
import { parseLines, renderLine } from './lines.ts';
import type { JournalRecord } from './records.ts';

/** A journal that is longer is written anew as soon as no patch is in the guest. */
const COMPACT_BYTES = 2 ** 20;

/** The write-ahead journal of the patches of one guest. Whoever writes to it holds the guest's monitor. */
export interface Journal {
  readonly file: string;
  readonly ledger: Ledger;
  /** Returns when the records are on the disk. */
  append(...records: readonly JournalRecord[]): Promise<void>;
  /** Forgets what is over, if there is much of it and no patch is left. */
  compact(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a journal, or begins one. A last line that was never finished is cut off.
 *
 * @throws GuestError `guest-journal-damaged`; system errors.
 */
export async function openJournal(file: string): Promise<Journal> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const text = (await readIfExists(file)) ?? '';
  const { records, bytes } = parseLines(file, text);
  let ledger = records.reduce(follow, EMPTY_LEDGER);
  let handle = await openForAppending(file);
  await handle.truncate(bytes);
  let size = bytes;
  return {
    file,
    get ledger() {
      return ledger;
    },
    async append(...added) {
      const next = added.reduce(follow, ledger);
      const text = added.map(renderLine).join('');
      await handle.appendFile(text);
      await handle.datasync();
      size += Buffer.byteLength(text);
      ledger = next;
      for (const { kind } of added) fault(`journal-${kind}`);
    },
    async compact() {
      if (size < COMPACT_BYTES || ledger.patches.length > 0) return;
      const text = summary(ledger).map(renderLine).join('');
      await writeFileDurably(file, text, { mode: 0o600 });
      await handle.close();
      handle = await openForAppending(file);
      size = Buffer.byteLength(text);
    },
    close: () => handle.close(),
  };
}

async function openForAppending(file: string): Promise<FileHandle> {
  const handle = await open(file, 'a', 0o600);
  await syncDirectory(dirname(file));
  return handle;
}

function summary({ kernel, window, used }: Ledger): JournalRecord[] {
  if (kernel === null) return [];
  return [
    { kind: 'opened', ...kernel, filler: [...kernel.filler] },
    ...(window === null ? [] : [{ kind: 'window' as const, window }]),
    { kind: 'used', areas: [...used] },
  ];
}
