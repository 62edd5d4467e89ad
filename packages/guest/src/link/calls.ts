import { CALL, JUMP } from '../support/x86.ts';
import { refuseEntry, type Tables } from './tables.ts';
import type { LinkTarget } from './target.ts';

/** Jcc with a 32-bit distance: 0f 8x. */
const CONDITIONAL = 0x0f;
const BRANCHES = [CALL, JUMP, CONDITIONAL];
const TRAMPOLINE = '__SCT__';

/**
 * A guest that tracks call depth (retbleed=stuff, Linux 6.2) redirects every call of a module through an
 * accounting thunk, which callthunks_patch_module_calls finds before the called function; not done here.
 */
export function checkCalls(tables: Tables, target: LinkTarget): void {
  const [section] = tables.sections('calls');
  const [initialized] = target.symbols.find('thunks_initialized');
  if (section === undefined || section.bytes.length === 0 || initialized === undefined) return;
  if (target.space.read(initialized.address, 1)[0] === 0) return;
  const [entry] = tables.entries('calls', 4);
  if (entry !== undefined)
    refuseEntry(
      entry,
      'the guest tracks call depth (retbleed=stuff), and the patch’s calls would not be counted',
    );
}

/**
 * Static calls of the patch stay calls of the guest's trampolines, which the guest rewrites whenever a
 * static call changes: right at all times, if one jump slower than the guest's own (rewritten) sites.
 */
export function checkStaticCalls(tables: Tables, target: LinkTarget): void {
  for (const entry of tables.entries('staticCalls', 8)) {
    const { region, buffer, offset, address } = tables.target(entry, 0);
    const opcode = buffer[offset] ?? 0;
    const length = opcode === CONDITIONAL ? 6 : 5;
    if (region !== 'code' || offset + length > buffer.length || !BRANCHES.includes(opcode)) {
      refuseEntry(entry, 'there is no call');
    }
    const distance = BigInt(buffer.readInt32LE(offset + length - 4));
    const called = target.symbols.at(BigInt.asUintN(64, address + BigInt(length) + distance));
    if (called?.offset !== 0 || !called.symbol.name.startsWith(TRAMPOLINE)) {
      refuseEntry(entry, 'it does not call a trampoline of the guest');
    }
  }
}
