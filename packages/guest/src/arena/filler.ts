import { GuestError } from '../errors.ts';
import type { Area } from '../journal/records.ts';
import type { GuestKernel } from '../kinds.ts';
import { INT3 } from '../support/x86.ts';

/** Shorter runs are the gaps between functions. */
const MIN_RUN = 4096;
/** Left free at both ends of a run: what precedes may be read ahead, what follows may be jumped over. */
const MARGIN = 64;
const LARGE_PAGE = 0x20_0000n;

/**
 * Where in the kernel's own text code of patches can go: runs of `int3` that the linker left to align
 * something (over 1 MiB in Debian's 6.1, 6.12 and 7.2). They are mapped read-only and executable like
 * everything around them, and nothing ever goes there. Room in the large pages of the entry code comes last:
 * page table isolation maps those in user mode's tables, too (arch/x86/mm/pti.c), as the same memory, so that
 * Meltdown shows what is in them. Debian's 7.2 has no other room.
 *
 * @throws GuestError `guest-arena-none` when there is no such run.
 */
export function findFiller(kernel: GuestKernel): Area[] {
  const start = kernel.symbols.one('_stext').address;
  const length = Number(kernel.symbols.one('_etext').address - start);
  const entryStart = kernel.symbols.one('__entry_text_start').address & ~(LARGE_PAGE - 1n);
  const entryEnd = kernel.symbols.one('__entry_text_end').address | (LARGE_PAGE - 1n);
  const runs = runsOf(kernel.space.read(start, length)).map(({ from, to }) => ({
    address: start + BigInt(from + MARGIN),
    length: to - from - 2 * MARGIN,
  }));
  const usable = (areas: readonly Area[]) =>
    areas
      .filter(({ address, length: bytes }) => bytes >= MIN_RUN && isCode(kernel, address, bytes))
      .sort((a, b) => b.length - a.length);
  const apart = usable(runs.flatMap((area) => outside(area, entryStart, entryEnd)));
  if (apart.length > 0) return apart;
  const beside = usable(runs);
  if (beside.length > 0) return beside;
  throw new GuestError('guest-arena-none', "The guest's kernel has no unused room in its code for a patch.");
}

function runsOf(text: Buffer): { from: number; to: number }[] {
  const pattern = Buffer.alloc(MIN_RUN, INT3);
  const runs: { from: number; to: number }[] = [];
  for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at)) {
    let to = at + MIN_RUN;
    while (to < text.length && text[to] === INT3) to++;
    runs.push({ from: at, to });
    at = to;
  }
  return runs;
}

/** What of an area lies outside of a stretch of addresses. */
function outside(area: Area, start: bigint, end: bigint): Area[] {
  const areaEnd = area.address + BigInt(area.length);
  if (areaEnd <= start || area.address > end) return [area];
  const before = { address: area.address, length: Number(start - area.address) };
  const after = { address: end + 1n, length: Number(areaEnd - end - 1n) };
  return [before, after].filter(({ length }) => length > 0);
}

function isCode(kernel: GuestKernel, address: bigint, length: number): boolean {
  return [address, address + BigInt(length - 1)].every((end) => {
    const mapping = kernel.space.translate(end);
    return mapping?.executable === true && !mapping.writable;
  });
}
