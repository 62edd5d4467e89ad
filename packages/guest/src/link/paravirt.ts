import { branchTo, CALL } from '../support/x86.ts';
import { padWithNops } from './nops.ts';
import { refuseEntry, type TableEntry, type Tables } from './tables.ts';
import type { LinkTarget } from './target.ts';

/** struct paravirt_patch_site: u8 *instr; u8 type; u8 len. Gone since Linux 6.8, which uses alternatives. */
const ENTRY_BYTES = 16;

/**
 * Calls through `pv_ops`, as apply_paravirt and paravirt_patch write them (Linux 6.1,
 * arch/x86/kernel/paravirt.c): direct calls of what the guest has put there, or nothing for a function that
 * does nothing.
 */
export function patchParavirt(tables: Tables, target: LinkTarget): void {
  const entries = tables.entries('paravirt', ENTRY_BYTES);
  if (entries.length === 0) return;
  const operations = target.symbols.one('pv_ops').address;
  const size = target.types.sizeOf('paravirt_patch_template');
  const nothing = target.symbols.one('_paravirt_nop').address;
  const bug = target.symbols.one('paravirt_BUG').address;
  for (const entry of entries) {
    const code = site(entry, tables);
    const type = entry.section.bytes.readUInt8(entry.at + 8);
    if (type * 8 + 8 > size) refuseEntry(entry, `the guest has no paravirt operation ${type}`);
    const operation = target.space.read(operations + BigInt(type * 8), 8).readBigUInt64LE();
    const call =
      operation === nothing
        ? Buffer.alloc(0)
        : branchTo(CALL, operation === 0n ? bug : operation, code.address);
    if (call === null || call.length > code.bytes.length) {
      refuseEntry(entry, 'the call that the guest uses does not fit');
    }
    code.bytes.set(call);
    padWithNops(code.bytes, call.length);
  }
}

function site(entry: TableEntry, tables: Tables): { bytes: Buffer; address: bigint } {
  const { region, buffer, offset, address } = tables.target(entry, 0);
  const length = entry.section.bytes.readUInt8(entry.at + 9);
  // Sites in replacement instructions of alternatives lie in the spare region: they are patched there.
  if (region === 'data' || length === 0 || offset + length > buffer.length) {
    refuseEntry(entry, 'it does not lie in code');
  }
  return { bytes: buffer.subarray(offset, offset + length), address };
}
