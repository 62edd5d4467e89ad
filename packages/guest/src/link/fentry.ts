import { CALL, NOP5 } from '../support/x86.ts';
import { refuseEntry, type Tables } from './tables.ts';
import type { LinkTarget } from './target.ts';

/**
 * Makes NOPs of the calls to `__fentry__`, as ftrace does with a module that it takes in
 * (ftrace_module_init): tracing is off, and the guest never learns of these functions.
 */
export function patchFentry(tables: Tables, target: LinkTarget): void {
  const fentry = target.symbols.find('__fentry__')[0]?.address;
  for (const entry of tables.entries('fentry', 8)) {
    const { buffer, offset, address, region } = tables.target(entry, 0);
    const bytes = buffer.subarray(offset, offset + 5);
    if (region !== 'code' || bytes.length < 5) refuseEntry(entry, 'it does not lie in code');
    if (bytes.equals(NOP5)) continue;
    const called = address + 5n + BigInt(bytes[0] === CALL ? bytes.readInt32LE(1) : 0);
    if (bytes[0] !== CALL || called !== fentry) refuseEntry(entry, 'there is no call to __fentry__');
    NOP5.copy(buffer, offset);
  }
}
