import { GuestError } from '../errors.ts';
import type { GuestModule } from '../kinds.ts';
import { integerField } from '../types/fields.ts';
import { tableCode, type UnwindableCode } from '../unwind/code.ts';
import { ORC_ENTRY_BYTES } from '../unwind/orc-format.ts';
import { openOrc, verifyOrc } from '../unwind/orc-table.ts';
import { type KernelReader, readPointer } from './reader.ts';

const MAX_ENTRIES = 1_000_000;

/** So much of all modules' unwind tables is read: several times what Debian's largest configurations load. */
export const MODULE_TABLES_BYTES = 64 * 2 ** 20;

/**
 * The unwindable code of a module; null for one whose unwind table is missing, not as it should be, or larger than
 * `room.bytes`, which becomes less by what is read.
 */
export function readModuleCode(
  reader: KernelReader,
  module: GuestModule,
  room: { bytes: number },
): UnwindableCode | null {
  const text = module.parts.find(({ executable }) => executable);
  if (text === undefined || module.state === 'unformed') return null;
  try {
    const { space, types, btf } = reader;
    const at = (member: string) => module.address + BigInt(types.offsetOf('module', `arch.${member}`));
    const header = space.read(module.address, types.sizeOf('module'));
    const count = integerField(btf, 'module', 'arch.num_orcs')(header);
    const bytes = (4 + ORC_ENTRY_BYTES) * count;
    if (count <= 0 || count > MAX_ENTRIES || bytes > room.bytes) return null;
    room.bytes -= bytes;
    const ipsAt = readPointer(space, at('orc_unwind_ip'));
    const ips = space.read(ipsAt, 4 * count);
    const entries = space.read(readPointer(space, at('orc_unwind')), ORC_ENTRY_BYTES * count);
    verifyOrc(ips, entries);
    const place = Number(BigInt.asIntN(64, ipsAt - text.start));
    if (!Number.isSafeInteger(place)) return null;
    return tableCode(openOrc(ips, entries, place), text.start, text.start, text.size);
  } catch (error) {
    // It is being loaded or unloaded, or lies: code that nothing is known of.
    if (error instanceof GuestError) return null;
    throw error;
  }
}
