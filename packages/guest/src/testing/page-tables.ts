const PRESENT_WRITABLE = 3n;
const LARGE = 0x80n;
export const LARGE_PAGE = 2 ** 21;

/** Writes x86-64 page tables into a buffer that holds memory from address 0. */
export interface PageTables {
  readonly root: number;
  /** Maps pages of 2 MiB (`large`) or 4 KiB; addresses must be aligned to them. */
  map(virtual: bigint, physical: number, options?: { large?: boolean; flags?: bigint }): void;
  /** Place in memory of the entry that maps an address, at the lowest level that there is. */
  entryOf(virtual: bigint): number;
}

/** @param allocate gives the address of a free page. */
export function pageTables(memory: Buffer, levels: 4 | 5, root: number, allocate: () => number): PageTables {
  const place = (virtual: bigint, last: number, create: boolean): number => {
    let table = root;
    for (let level: number = levels; ; level--) {
      const shift = BigInt(12 + 9 * (level - 1));
      const at = table + Number((virtual >> shift) & 511n) * 8;
      const entry = memory.readBigUInt64LE(at);
      if (level === last || (!create && (level === 1 || (entry & LARGE) !== 0n))) return at;
      if ((entry & 1n) === 0n) memory.writeBigUInt64LE(BigInt(allocate()) | PRESENT_WRITABLE, at);
      table = Number(memory.readBigUInt64LE(at) & 0x000f_ffff_ffff_f000n);
    }
  };
  return {
    root,
    map(virtual, physical, { large = false, flags = PRESENT_WRITABLE } = {}) {
      const entry = BigInt(physical) | flags | (large ? LARGE : 0n);
      memory.writeBigUInt64LE(entry, place(virtual, large ? 2 : 1, true));
    },
    entryOf: (virtual) => place(virtual, 0, false),
  };
}
