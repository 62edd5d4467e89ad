import { GuestError } from '../errors.ts';
import { ORC_ENTRY_BYTES, type OrcEntry, type OrcFormat } from './orc-format.ts';

/**
 * An unwind table: addresses relative to their own places (32 bits each, ascending), and an entry for each
 * that holds from there to the next.
 */
export interface OrcTable {
  readonly count: number;
  /** The raw bits of the entry for an address; null when it is not covered. */
  rawAt(address: bigint): OrcBits | null;
}

export interface OrcBits {
  readonly stackOffset: number;
  readonly frameOffset: number;
  readonly fields: number;
}

/** From the first instruction to what is behind the last. */
export interface CodeRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** A table with more entries than this is a lie: Debian's kernels have 300,000. */
const MAX_ENTRIES = 8_000_000;

/**
 * @param ipsAt address of the first of the addresses, in the guest.
 * @param code what the table is about; addresses outside of it are not covered.
 * @throws GuestError `guest-orc` when the two parts do not belong together or the addresses do not ascend.
 */
export function createOrcTable(
  ips: Buffer,
  entries: Buffer,
  ipsAt: bigint,
  code: readonly CodeRange[],
): OrcTable {
  const count = Math.floor(ips.length / 4);
  if (ips.length % 4 !== 0 || entries.length !== count * ORC_ENTRY_BYTES || count > MAX_ENTRIES) {
    throw broken(`${ips.length} bytes of addresses and ${entries.length} of entries do not belong together`);
  }
  // Relative to the place of the first one: exact in a number.
  const value = (index: number) => 4 * index + ips.readInt32LE(4 * index);
  for (let index = 1; index < count; index++) {
    if (value(index) < value(index - 1)) throw broken(`its address ${index} is below the one before it`);
  }
  return {
    count,
    rawAt(address) {
      if (!code.some(({ start, end }) => address >= start && address < end)) return null;
      const wanted = Number(BigInt.asIntN(64, address - ipsAt));
      let low = 0;
      let high = count;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (value(middle) <= wanted) low = middle + 1;
        else high = middle;
      }
      if (low === 0) return null;
      const at = (low - 1) * ORC_ENTRY_BYTES;
      return {
        stackOffset: entries.readInt16LE(at),
        frameOffset: entries.readInt16LE(at + 2),
        fields: entries.readUInt16LE(at + 4),
      };
    },
  };
}

/** The entry of the first table that covers an address; null when none does or its entry is not understood. */
export function findOrcEntry(
  tables: readonly OrcTable[],
  format: OrcFormat,
  address: bigint,
): OrcEntry | null {
  for (const table of tables) {
    const raw = table.rawAt(address);
    if (raw !== null) return format.decode(raw.stackOffset, raw.frameOffset, raw.fields);
  }
  return null;
}

function broken(why: string): GuestError {
  return new GuestError('guest-orc', `An unwind table (ORC) is not understood: ${why}.`);
}
