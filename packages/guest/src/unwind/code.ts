import type { ForeignCode, SymbolTable } from '../kinds.ts';
import type { Btf } from '../types/btf.ts';
import { type OrcEntry, type OrcFormat, orcFormat } from './orc-format.ts';
import { type OrcBits, type OrcTable, orcBits } from './orc-table.ts';

/** A stretch of code that unwind entries are known for. */
export interface UnwindableCode {
  readonly start: bigint;
  readonly size: number;
  rawAt(address: bigint): OrcBits | null;
}

/** Finds the entry for an address; null where no known code is or its entry is not understood. */
export function findEntry(
  codes: Iterable<UnwindableCode>,
  format: OrcFormat,
  address: bigint,
): OrcEntry | null {
  for (const code of codes) {
    if (address < code.start || address >= code.start + BigInt(code.size)) continue;
    const raw = code.rawAt(address);
    return raw === null ? null : format.decode(raw.stackOffset, raw.frameOffset, raw.fields);
  }
  return null;
}

/** The code that a table is about, which counts its places from `origin`. */
export function tableCode(table: OrcTable, origin: bigint, start: bigint, size: number): UnwindableCode {
  return { start, size, rawAt: (address) => table.rawAt(Number(BigInt.asIntN(64, address - origin))) };
}

/** Code that was put into the guest, with the entries that came with it. */
export function foreignCode({ start, size, unwind }: ForeignCode): UnwindableCode {
  return {
    start,
    size,
    rawAt(address) {
      const index = unwind.addresses.findLastIndex((from) => from <= address);
      return index < 0 ? null : orcBits(unwind.entries, index);
    },
  };
}

/** Functions of every kernel that begin as all do. */
const ORDINARY = ['schedule', 'vfs_read', 'vfs_write', 'kfree', 'do_exit'];

/** The format of a kernel's entries, calibrated on functions that every kernel has. */
export function calibrate(btf: Btf, symbols: SymbolTable, code: readonly UnwindableCode[]): OrcFormat {
  const registers = ORDINARY.flatMap((name) => symbols.find(name)).flatMap(({ address }) => {
    const within = code.find(({ start, size }) => address >= start && address < start + BigInt(size));
    const raw = within?.rawAt(address);
    return raw?.stackOffset === 8 ? [raw.fields & 15] : [];
  });
  return orcFormat(btf, registers);
}
