import { GuestError } from '../errors.ts';
import type { AddressSpace } from '../kinds.ts';
import { hex } from '../support/hex.ts';
import type { PhysicalRange, PhysicalWrite } from './gdb/script.ts';

/** Bytes at a kernel address as writes of guest-physical memory, one for each page that they touch. */
export function physicalWrites(space: AddressSpace, address: bigint, bytes: Uint8Array): PhysicalWrite[] {
  let done = 0;
  return physicalRanges(space, address, bytes.length).map(({ physical, length }) => {
    const part = bytes.subarray(done, done + length);
    done += length;
    return { physical, bytes: part };
  });
}

/**
 * Where a stretch of kernel memory lies in guest-physical memory, in pieces that do not cross a page.
 *
 * @throws GuestError `guest-address-unmapped`.
 */
export function physicalRanges(space: AddressSpace, address: bigint, length: number): PhysicalRange[] {
  const ranges: PhysicalRange[] = [];
  for (let done = 0; done < length; ) {
    const at = address + BigInt(done);
    const mapping = space.translate(at);
    if (mapping === null) {
      throw new GuestError('guest-address-unmapped', `The guest's kernel has nothing mapped at ${hex(at)}.`);
    }
    const left = 4096 - Number(at & 0xfffn);
    const piece = Math.min(left, length - done);
    ranges.push({ physical: mapping.physical, length: piece });
    done += piece;
  }
  return ranges;
}
