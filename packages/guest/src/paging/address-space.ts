import { GuestError } from '../errors.ts';
import type { AddressSpace, Mapping, PhysicalMemory } from '../kinds.ts';
import { checkedLength } from '../memory/physical.ts';
import { hex } from '../support/hex.ts';

/** Bits of an x86-64 page table entry (Intel SDM, volume 3, 4.5). */
const PRESENT = 1n;
const WRITABLE = 2n;
const LARGE = 0x80n;
const NO_EXECUTE = 1n << 63n;
const ADDRESS = 0x000f_ffff_ffff_f000n;

const PAGE_BITS = 12;

/**
 * Virtual memory as page tables describe it at the time of each call: nothing is remembered, since a guest
 * changes them at any time.
 *
 * @param root guest-physical address of the top table (the address bits of CR3).
 */
export function createAddressSpace(memory: PhysicalMemory, root: number, levels: 4 | 5): AddressSpace {
  const translate = (address: bigint) => walk(memory, root, levels, address);
  const pieces = (address: bigint, length: number): Piece[] => {
    const found: Piece[] = [];
    for (let done = 0; done < length; ) {
      const from = BigInt.asUintN(64, address + BigInt(done));
      const mapping = translate(from);
      if (mapping === null) {
        throw new GuestError('guest-address-unmapped', `Kernel address ${hex(from)} is not mapped.`);
      }
      const left = mapping.pageBytes - (Number(from & 0xffff_ffffn) % mapping.pageBytes);
      const bytes = Math.min(length - done, left);
      const last = found.at(-1);
      if (last !== undefined && last.physical + last.bytes === mapping.physical) last.bytes += bytes;
      else found.push({ physical: mapping.physical, bytes });
      done += bytes;
    }
    return found;
  };
  return {
    levels,
    translate,
    read(address, length) {
      const parts = pieces(address, checkedLength(length)).map(({ physical, bytes }) =>
        memory.read(physical, bytes),
      );
      const [only] = parts;
      return only !== undefined && parts.length === 1 ? only : Buffer.concat(parts);
    },
    write(address, bytes) {
      let done = 0;
      // All is translated before anything is written: half of a write is worse than none.
      for (const piece of pieces(address, bytes.length)) {
        memory.write(piece.physical, bytes.subarray(done, done + piece.bytes));
        done += piece.bytes;
      }
    },
  };
}

/** A stretch of virtual memory that is contiguous in physical memory. */
interface Piece {
  readonly physical: number;
  bytes: number;
}

function walk(memory: PhysicalMemory, root: number, levels: 4 | 5, address: bigint): Mapping | null {
  const top = PAGE_BITS + 9 * levels;
  const canonical = BigInt.asUintN(64, BigInt.asIntN(top, address));
  if (canonical !== BigInt.asUintN(64, address)) return null;
  let table = root;
  let writable = true;
  let executable = true;
  for (let shift = top - 9; shift >= PAGE_BITS; shift -= 9) {
    const entry = entryAt(memory, table + Number((address >> BigInt(shift)) & 511n) * 8, address);
    if ((entry & PRESENT) === 0n) return null;
    writable &&= (entry & WRITABLE) !== 0n;
    executable &&= (entry & NO_EXECUTE) === 0n;
    const isLeaf = shift === PAGE_BITS || ((entry & LARGE) !== 0n && shift <= PAGE_BITS + 18);
    if (isLeaf) {
      const inside = (1n << BigInt(shift)) - 1n;
      const physical = Number((entry & ADDRESS & ~inside) | (address & inside));
      return { physical, pageBytes: 2 ** shift, writable, executable };
    }
    table = Number(entry & ADDRESS);
  }
  return null;
}

function entryAt(memory: PhysicalMemory, at: number, address: bigint): bigint {
  try {
    return memory.read(at, 8).readBigUInt64LE(0);
  } catch (cause) {
    throw new GuestError(
      'guest-page-table',
      `The page table for ${hex(address)} lies at ${hex(at)}, which is not RAM.`,
      {
        cause,
      },
    );
  }
}
