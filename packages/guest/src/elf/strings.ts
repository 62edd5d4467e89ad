import { invalid } from './invalid.ts';

/** Longer than any symbol of a kernel (KSYM_NAME_LEN is 512 since 6.1). */
const MAX_NAME_BYTES = 4096;

/** The NUL-terminated string at an offset of a string table. `what` names it in messages. */
export function stringAt(table: Buffer, offset: number, file: string, what: string): string {
  if (offset >= table.length) {
    if (offset === 0) return '';
    throw invalid(file, `${what} lies outside of its string table`);
  }
  const end = table.subarray(offset, offset + MAX_NAME_BYTES + 1).indexOf(0);
  if (end < 0) throw invalid(file, `${what} has no end`);
  return table.toString('latin1', offset, offset + end);
}
