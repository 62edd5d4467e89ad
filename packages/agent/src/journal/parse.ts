import { ExuviaError, type JournalRecord, journalRecordSchema } from '@exuvia/contract';

export interface ParsedJournal {
  readonly records: readonly JournalRecord[];
  /** Length of the part that is made of complete lines. */
  readonly completeBytes: number;
  /** Bytes of a last line without a line break: what a crash in the middle of a write leaves. */
  readonly tornBytes: number;
}

const LINE_BREAK = 0x0a;

/**
 * Reads a journal. A torn last line announces nothing that was done (a record is complete before its step
 * begins), so it is only counted; anything else that is not a record is an error.
 *
 * @throws ExuviaError `journal-invalid`, naming file and line.
 */
export function parseJournal(bytes: Buffer, file: string): ParsedJournal {
  const completeBytes = bytes.lastIndexOf(LINE_BREAK) + 1;
  const lines = bytes.toString('utf8', 0, completeBytes).split('\n').slice(0, -1);
  return {
    records: lines.map((line, index) => parseLine(line, `${file}, line ${index + 1}`)),
    completeBytes,
    tornBytes: bytes.length - completeBytes,
  };
}

/** The error that keeps an agent from updating until somebody has looked at its journal. */
export function journalInvalid(where: string, problem: string, cause?: unknown): ExuviaError {
  return new ExuviaError('journal-invalid', `${where} ${problem}.`, {
    hint: 'VMs are served, updates are refused. Install the Exuvia version that wrote the file, or, when no update is open, move it away and restart the agent; nothing was overwritten.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function parseLine(line: string, where: string): JournalRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw journalInvalid(where, 'is not JSON', cause);
  }
  const version = versionOf(value);
  if (typeof version === 'number' && version !== 1) {
    throw journalInvalid(where, `is a record of version ${version}; this agent knows version 1`);
  }
  const result = journalRecordSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw journalInvalid(where, `is no journal record (${issue?.path.join('.') || 'line'}: ${issue?.message})`);
}

function versionOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined;
}
