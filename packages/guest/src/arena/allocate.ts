import { GuestError } from '../errors.ts';
import type { Area } from '../journal/records.ts';

/** Cache lines: no two patches share one. */
const ALIGNMENT = 64n;

/**
 * The first free place for so many bytes.
 *
 * @throws GuestError `guest-arena-full`.
 */
export function allocate(
  what: string,
  room: readonly Area[],
  taken: readonly Area[],
  length: number,
): bigint {
  const used = [...taken].sort((a, b) => (a.address < b.address ? -1 : 1));
  for (const area of room) {
    const end = area.address + BigInt(area.length);
    let at = alignUp(area.address);
    for (const each of used) {
      const usedEnd = each.address + BigInt(each.length);
      if (usedEnd <= at || each.address >= end) continue;
      if (each.address >= at + BigInt(length)) break;
      at = alignUp(usedEnd);
    }
    if (at + BigInt(length) <= end) return at;
  }
  const bytes = room.reduce((sum, area) => sum + area.length, 0);
  throw new GuestError(
    'guest-arena-full',
    `The patch has ${length} bytes of ${what}, for which no room is left in the guest (${bytes} bytes, ${taken.length} patches).`,
    { hint: 'Roll back patches that are no longer needed.' },
  );
}

/** Whether two areas share a byte. */
export function overlap(a: Area, b: Area): boolean {
  return a.address < b.address + BigInt(b.length) && b.address < a.address + BigInt(a.length);
}

function alignUp(address: bigint): bigint {
  return (address + ALIGNMENT - 1n) & ~(ALIGNMENT - 1n);
}
