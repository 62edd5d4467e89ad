import type { PatchUnwind } from '../kinds.ts';
import { refuseEntry, type Tables } from './tables.ts';

/** `struct orc_entry` is six bytes in all kernels from 4.14 to 7.2. */
const ENTRY_BYTES = 6;

/** The patch's ORC with the addresses that its code will have, ascending. */
export function unwindOf(tables: Tables): PatchUnwind {
  const entries = tables.entries('orc', ENTRY_BYTES);
  const rows = tables.entries('orcAddresses', 4).map((address) => {
    const entry = entries[address.index];
    if (entry === undefined) return refuseEntry(address, '.orc_unwind is shorter than .orc_unwind_ip');
    return {
      address: tables.target(address, 0).address,
      entry: entry.section.bytes.subarray(entry.at, entry.at + ENTRY_BYTES),
    };
  });
  rows.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  return {
    addresses: rows.map(({ address }) => address),
    entries: Buffer.concat(rows.map(({ entry }) => entry)),
  };
}
