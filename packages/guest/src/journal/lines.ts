import { crc32 } from 'node:zlib';
import { GuestError } from '../errors.ts';
import { hex } from '../support/hex.ts';
import { type JournalRecord, recordSchema } from './records.ts';

/** A record as a line: CRC-32 of the JSON text, a space, the JSON text. */
export function renderLine(record: JournalRecord): string {
  const text = JSON.stringify(record, function (this: Record<string, unknown>, key, value: unknown) {
    // Buffers have been turned into objects by their own toJSON before they come here.
    const raw = this[key];
    if (typeof raw === 'bigint') return hex(raw);
    return raw instanceof Uint8Array ? Buffer.from(raw).toString('hex') : value;
  });
  return `${checksum(text)} ${text}\n`;
}

/**
 * Reads a journal's text. A last line without its end was never finished and is left out: what it announces
 * was not begun.
 *
 * @returns the records, and how many bytes of the file they are.
 * @throws GuestError `guest-journal-damaged` naming the line.
 */
export function parseLines(
  file: string,
  text: string,
): { readonly records: JournalRecord[]; readonly bytes: number } {
  const lines = text.split('\n');
  const unfinished = lines.pop() ?? '';
  const records = lines.map((line, index) => parseLine(`${file}, line ${index + 1}`, line));
  return { records, bytes: Buffer.byteLength(text) - Buffer.byteLength(unfinished) };
}

function parseLine(where: string, line: string): JournalRecord {
  const [, sum, text] = /^([0-9a-f]{8}) (.*)$/.exec(line) ?? [];
  if (sum === undefined || text === undefined || checksum(text) !== sum) {
    throw damaged(where, 'its checksum is wrong');
  }
  const parsed = recordSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw damaged(where, `it is no record that this version knows (${parsed.error.issues[0]?.message})`);
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

function damaged(where: string, why: string): GuestError {
  return new GuestError(
    'guest-journal-damaged',
    `The journal of the guest's patches is damaged: ${where}: ${why}.`,
    {
      hint: 'Nothing was changed. With the file moved away the guest counts as unpatched; what is patched in it stays.',
    },
  );
}
