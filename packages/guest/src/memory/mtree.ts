import { GuestError } from '../errors.ts';

/** A part of guest-physical memory that is RAM, and where it lies in its memory backend. */
export interface RamRange {
  readonly start: number;
  readonly size: number;
  /** Id of the memory backend (`ram` in `-object memory-backend-file,id=ram`). */
  readonly backend: string;
  /** Offset in the backend's file. Not the address: q35 moves what does not fit below 4 GiB above it. */
  readonly offset: number;
}

/** More ranges than any machine has. */
const MAX_RANGES = 4096;

const LINE = /^ {2,}([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([^)]+)\): (\S+)(?: @([0-9a-f]{16}))?/;

/**
 * The RAM of a machine from HMP's `info mtree -f` (QEMU 10.0, system/memory.c): the flat view of the address
 * space `memory`. What is ROM or I/O there is left out.
 *
 * @throws GuestError `guest-ram-unknown` when the text has no such view.
 */
export function parseMemoryTree(text: string): RamRange[] {
  const view = text.split(/^FlatView #\d+$/m).find((part) => /^ AS "memory", /m.test(part));
  if (view === undefined) throw unknown('it lists no address space "memory"');
  const ranges: RamRange[] = [];
  for (const line of view.split('\n')) {
    const [, first, last, kind, backend, offset] = LINE.exec(line) ?? [];
    if (kind !== 'ram' || first === undefined || last === undefined || backend === undefined) continue;
    const start = number(first);
    ranges.push({ start, size: number(last) - start + 1, backend, offset: number(offset ?? '0') });
    if (ranges.length > MAX_RANGES) throw unknown(`it lists more than ${MAX_RANGES} ranges of RAM`);
  }
  if (ranges.length === 0) throw unknown('it lists no RAM');
  return ascending(ranges);
}

function ascending(ranges: readonly RamRange[]): RamRange[] {
  const sorted = ranges.toSorted((a, b) => a.start - b.start);
  for (const [index, range] of sorted.entries()) {
    const before = sorted[index - 1];
    if (range.size <= 0) throw unknown('it lists a range that ends before it starts');
    if (before !== undefined && before.start + before.size > range.start) {
      throw unknown('it lists ranges that overlap');
    }
  }
  return sorted;
}

function number(digits: string): number {
  const value = Number.parseInt(digits, 16);
  if (!Number.isSafeInteger(value)) throw unknown(`it lists the address ${digits}`);
  return value;
}

function unknown(why: string): GuestError {
  return new GuestError('guest-ram-unknown', `QEMU's map of the VM's memory is not understood: ${why}.`);
}
