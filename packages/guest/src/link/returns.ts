import { GuestError } from '../errors.ts';
import type { PatchFile } from '../patch/index.ts';
import { hex } from '../support/hex.ts';
import { branchTo, INT3, JUMP } from '../support/x86.ts';
import type { Image } from './image.ts';
import type { Tables } from './tables.ts';
import { refuseEntry } from './tables.ts';
import type { LinkTarget } from './target.ts';

const RETURN = 0xc3;
const THUNK = '__x86_return_thunk';

/**
 * Returns of the patch, as apply_returns and patch_return write them (arch/x86/kernel/alternative.c): a
 * jump to the thunk that `x86_return_thunk` names, or a plain `ret` where it still names the default one,
 * to which nothing may jump (Linux 6.1.45 warns: "Unpatched return thunk in use").
 */
export function patchReturns(patch: PatchFile, tables: Tables, image: Image, target: LinkTarget): void {
  const thunk = returnThunk(target);
  const sites = new Set<bigint>();
  for (const entry of tables.entries('returns', 4)) {
    const { buffer, offset, address, region } = tables.target(entry, 0);
    const jumps = buffer[offset] === JUMP && offset + 5 <= buffer.length;
    if (region === 'data' || !jumps) refuseEntry(entry, `there is no jump to ${THUNK}`);
    if (BigInt.asUintN(64, address + 5n + BigInt(buffer.readInt32LE(offset + 1))) !== thunk?.default) {
      refuseEntry(entry, `there is no jump to ${THUNK}`);
    }
    sites.add(address);
    const bytes =
      returnOf(thunk, address) ?? refuseEntry(entry, 'the thunk that the guest uses is too far away');
    bytes.copy(buffer, offset);
  }
  requireAllPatched(patch, image, sites);
}

interface ReturnThunk {
  readonly default: bigint;
  /** What returns jump to; null: they are plain. */
  readonly chosen: bigint | null;
  /** The thunk against Indirect Target Selection: only returns in the lower half of a cache line use it. */
  readonly lowerHalfOnly: boolean;
}

/** Undefined: a kernel without CONFIG_RETHUNK. */
function returnThunk(target: LinkTarget): ReturnThunk | undefined {
  const address = (name: string) => target.symbols.find(name)[0]?.address;
  const fallback = address(THUNK);
  const variable = address('x86_return_thunk');
  if (fallback === undefined || variable === undefined) return undefined;
  const chosen = target.space.read(variable, 8).readBigUInt64LE();
  if (chosen !== fallback && target.symbols.at(chosen)?.offset !== 0) {
    throw new GuestError(
      'guest-return-thunk',
      `x86_return_thunk of the guest names ${hex(chosen)}, where no function begins.`,
    );
  }
  return {
    default: fallback,
    chosen: chosen === fallback ? null : chosen,
    lowerHalfOnly: chosen === address('its_return_thunk'),
  };
}

/** Null: the guest's thunk is out of reach. */
function returnOf(thunk: ReturnThunk, address: bigint): Buffer | null {
  const direct = thunk.lowerHalfOnly && (address & 0x20n) !== 0n;
  if (thunk.chosen !== null && !direct) return branchTo(JUMP, thunk.chosen, address);
  return Buffer.from([RETURN, INT3, INT3, INT3, INT3]);
}

/** An object that objtool has not seen has no list of its returns. */
function requireAllPatched({ elf }: PatchFile, image: Image, sites: ReadonlySet<bigint>): void {
  for (const { section, target, relocations } of elf.relocations) {
    for (const { index, symbol, offset } of relocations) {
      if (elf.symbols[symbol]?.name !== THUNK) continue;
      const field = image.at({ section: target, offset });
      if (field === null || sites.has(field.address - 1n)) continue;
      throw new GuestError(
        'patch-table',
        `Relocation ${section.name}[${index}] is against ${THUNK}, and .return_sites does not list it: objtool has not been run on the patch.`,
      );
    }
  }
}
