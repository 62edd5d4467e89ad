import { type FileHandle, mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ExuviaError, type JournalRecord } from '@exuvia/contract';
import { isErrno, syncDirectory } from '@exuvia/sys';
import { journalInvalid, type ParsedJournal, parseJournal } from './parse.ts';
import { renderRecord } from './render.ts';
import { type UpdateState, updateStates } from './states.ts';

/** The append-only record of every update; the native pause program appends to the same file. */
export interface Journal {
  readonly file: string;
  /** Every update that the file told of when it was opened. */
  readonly updates: ReadonlyMap<string, UpdateState>;
  /**
   * Why no update may begin: the file cannot be trusted, and nothing can be appended; or an update's end could not be
   * written. `null` for a sound one.
   */
  readonly problem: ExuviaError | null;
  /** Returns when the records are on the disk. Throws `journal-invalid`, or what the file system says. */
  append(...records: readonly JournalRecord[]): Promise<void>;
  close(): Promise<void>;
}

const CHUNK_BYTES = 64 * 1024;
const RESERVE_BYTES = 1024 * 1024;

/**
 * Opens the journal, creating it when there is none. A torn last line is cut off and `log` is told; an
 * invalid journal is left as it is and opened with its `problem` set.
 */
export async function openJournal(file: string, log: (message: string) => void): Promise<Journal> {
  await mkdir(dirname(file), { recursive: true, mode: 0o750 });
  const handle = await open(file, 'a+', 0o640);
  await keepReserve(file);
  await syncDirectory(dirname(file));
  try {
    const { updates, tornBytes } = understand(await handle.readFile(), file);
    if (tornBytes > 0) {
      await cutTornLine(handle);
      log(`${file}: cut off ${tornBytes} bytes of a last line that was never finished.`);
    }
    return journalOn(handle, file, updates, null);
  } catch (error) {
    if (!(error instanceof ExuviaError)) {
      await handle.close();
      throw error;
    }
    log(error.message);
    return journalOn(handle, file, new Map(), error);
  }
}

function understand(bytes: Buffer, file: string): { updates: Map<string, UpdateState>; tornBytes: number } {
  const parsed: ParsedJournal = parseJournal(bytes, file);
  try {
    return { updates: updateStates(parsed.records), tornBytes: parsed.tornBytes };
  } catch (cause) {
    if (!(cause instanceof ExuviaError)) throw cause;
    throw journalInvalid(file, `contradicts itself: ${cause.message.replace(/\.$/, '')}`, cause);
  }
}

function journalOn(
  handle: FileHandle,
  file: string,
  updates: ReadonlyMap<string, UpdateState>,
  invalid: ExuviaError | null,
): Journal {
  let queue: Promise<void> = Promise.resolve();
  let unwritable: ExuviaError | null = null;
  return {
    file,
    updates,
    get problem() {
      return invalid ?? unwritable;
    },
    append(...records) {
      if (invalid !== null) return Promise.reject(invalid);
      const written = queue.then(() => appendRecords(handle, file, records));
      queue = written.catch((cause: unknown) => {
        // The update is at its end, and the file says that it is not.
        if (records.some(({ kind }) => kind === 'closed')) unwritable = journalUnwritable(file, cause);
      });
      return written;
    },
    async close() {
      await queue;
      await handle.close();
    },
  };
}

function journalUnwritable(file: string, cause: unknown): ExuviaError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ExuviaError('journal-unwritable', `${file} could not be written: ${why}`, {
    cause,
    hint: 'Mend its file system, then `systemctl restart exuvia-agent`.',
  });
}

async function appendRecords(
  handle: FileHandle,
  file: string,
  records: readonly JournalRecord[],
): Promise<void> {
  const append = async () => {
    // A write that failed halfway (a full disk) may have left half a line.
    await cutTornLine(handle);
    await handle.appendFile(records.map(renderRecord).join(''));
    await handle.sync();
  };
  try {
    await append();
  } catch (error) {
    if (!isErrno(error, 'ENOSPC')) throw error;
    // An update must be able to end on a full disk.
    await rm(reserveOf(file), { force: true });
    await append();
  }
}

/** Space that is given back when the disk is full, so that what is under way can be written down. */
async function keepReserve(file: string): Promise<void> {
  const reserve = reserveOf(file);
  const there = await stat(reserve).catch(() => null);
  if (there?.size === RESERVE_BYTES) return;
  await writeFile(reserve, Buffer.alloc(RESERVE_BYTES, 0xff), { mode: 0o600 }).catch(() => {});
}

function reserveOf(file: string): string {
  return `${file}.reserve`;
}

/** Shortens the file to its last line break. */
async function cutTornLine(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  let end = size;
  const chunk = Buffer.alloc(CHUNK_BYTES);
  while (end > 0) {
    const from = Math.max(0, end - CHUNK_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, end - from, from);
    const lineBreak = chunk.subarray(0, bytesRead).lastIndexOf(0x0a);
    end = lineBreak === -1 ? from : from + lineBreak + 1;
    if (lineBreak !== -1) break;
  }
  if (end < size) {
    await handle.truncate(end);
    await handle.sync();
  }
}
