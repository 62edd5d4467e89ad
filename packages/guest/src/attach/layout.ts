import { GuestError } from '../errors.ts';
import type { SymbolTable } from '../kinds.ts';
import type { Extent } from '../symbols/kallsyms.ts';

/** Where in the image the tables of a kernel lie, as offsets from `_text`. */
export interface Layout {
  readonly notes: Extent;
  readonly btf: Extent;
  readonly orcIps: Extent;
  readonly orcEntries: Extent;
  /** Code: that of the running kernel, and that of its start, which idle CPU 0 would return to. */
  readonly code: readonly Extent[];
}

/** A table is never longer than this. */
const MAX_TABLE = 64 * 2 ** 20;

/** @throws GuestError `guest-kernel-unknown` when a table's start and end are no such thing. */
export function findLayout(symbols: SymbolTable, base: bigint): Layout {
  const between = (start: string, stop: string): Extent => {
    const offset = Number(symbols.one(start).address - base);
    const size = Number(symbols.one(stop).address - base) - offset;
    if (offset < 0 || size <= 0 || size > MAX_TABLE) {
      throw new GuestError(
        'guest-kernel-unknown',
        `The kernel's symbols ${start} and ${stop} do not enclose a table.`,
      );
    }
    return { offset, size };
  };
  return {
    notes: between('__start_notes', '__stop_notes'),
    btf: between('__start_BTF', '__stop_BTF'),
    orcIps: between('__start_orc_unwind_ip', '__stop_orc_unwind_ip'),
    orcEntries: between('__start_orc_unwind', '__stop_orc_unwind'),
    code: [between('_stext', '_etext'), between('_sinittext', '_einittext')],
  };
}
