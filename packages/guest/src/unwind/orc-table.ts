import { GuestError } from '../errors.ts';
import { ORC_ENTRY_BYTES } from './orc-format.ts';

/**
 * An unwind table: addresses relative to their own places (32 bits each, ascending), and an entry for each
 * that holds from there to the next.
 */
export interface OrcTable {
  readonly count: number;
  /** The raw bits of the entry for a place; null in front of the first. */
  rawAt(place: number): OrcBits | null;
}

export interface OrcBits {
  readonly stackOffset: number;
  readonly frameOffset: number;
  readonly fields: number;
}

/** A table with more entries than this is a lie: Debian's kernels have 300,000. */
const MAX_ENTRIES = 8_000_000;

/** @throws GuestError `guest-orc` when the two parts do not belong together or the addresses do not ascend. */
export function verifyOrc(ips: Buffer, entries: Buffer): void {
  const count = Math.floor(ips.length / 4);
  if (ips.length % 4 !== 0 || entries.length !== count * ORC_ENTRY_BYTES || count > MAX_ENTRIES) {
    throw broken(`${ips.length} bytes of addresses and ${entries.length} of entries do not belong together`);
  }
  let before = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < ips.length; at += 4) {
    const place = at + ips.readInt32LE(at);
    if (place < before) throw broken(`its address ${at / 4} is below the one before it`);
    before = place;
  }
}

/**
 * A table that was verified.
 *
 * @param ipsAt place of the first of the addresses, counted from wherever the places that are asked for are.
 */
export function openOrc(ips: Buffer, entries: Buffer, ipsAt: number): OrcTable {
  const count = ips.length / 4;
  const value = (index: number) => 4 * index + ips.readInt32LE(4 * index);
  return {
    count,
    rawAt(place) {
      const wanted = place - ipsAt;
      let low = 0;
      let high = count;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (value(middle) <= wanted) low = middle + 1;
        else high = middle;
      }
      return low === 0 ? null : orcBits(entries, low - 1);
    },
  };
}

/** Entry number `index` of a table. */
export function orcBits(entries: Buffer, index: number): OrcBits {
  const at = index * ORC_ENTRY_BYTES;
  return {
    stackOffset: entries.readInt16LE(at),
    frameOffset: entries.readInt16LE(at + 2),
    fields: entries.readUInt16LE(at + 4),
  };
}

function broken(why: string): GuestError {
  return new GuestError('guest-orc', `An unwind table (ORC) is not understood: ${why}.`);
}
