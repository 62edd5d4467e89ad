import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { GuestError } from '../errors.ts';
import type { PhysicalMemory } from '../kinds.ts';
import { hex } from '../support/hex.ts';
import type { RamRange } from './mtree.ts';

/** A single read is at most this long: whoever asks for more has believed a guest's length. */
const MAX_READ = 512 * 2 ** 20;

export interface OpenMemory extends PhysicalMemory {
  close(): void;
}

/**
 * Opens the RAM of a VM through the files of its memory backends. Reads and writes of the file are coherent
 * with what the guest's processors see (not with code that TCG has translated).
 *
 * @param files path of each backend's file.
 * @throws GuestError `guest-ram-unknown` for a range without a file or beyond the file's end,
 * `guest-ram-unreadable` when a file cannot be opened.
 */
export function openPhysicalMemory(
  ranges: readonly RamRange[],
  files: ReadonlyMap<string, string>,
  options: { readonly writable?: boolean } = {},
): OpenMemory {
  const writable = options.writable ?? false;
  const opened = new Map<string, OpenFile>();
  const close = () => {
    for (const { descriptor } of opened.values()) closeSync(descriptor);
    opened.clear();
  };
  try {
    for (const range of ranges) {
      const file = opened.get(range.backend) ?? openFile(range.backend, files, writable);
      opened.set(range.backend, file);
      if (range.offset + range.size > file.size) {
        throw new GuestError(
          'guest-ram-unknown',
          `${file.path} ends before the RAM that QEMU says lies in it: ${file.size} bytes, ${range.offset + range.size} wanted.`,
        );
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  const each = (address: number, length: number, visit: Visit) => {
    visitRanges(ranges, address, length, (range, from, count, done) => {
      const file = opened.get(range.backend);
      if (file === undefined) throw new GuestError('guest-memory-closed', 'The VM was detached from.');
      visit(file, range.offset + (from - range.start), count, done);
    });
  };
  return {
    ranges: ranges.map(({ start, size }) => ({ start, size })),
    read(address, length) {
      const bytes = Buffer.allocUnsafe(checkedLength(length));
      each(address, length, (file, position, count, done) => {
        if (readSync(file.descriptor, bytes, done, count, position) !== count) throw shortened(file.path);
      });
      return bytes;
    },
    write(address, bytes) {
      if (!writable)
        throw new GuestError('guest-memory-read-only', "The VM's memory was opened for reading.");
      each(address, bytes.length, (file, position, count, done) => {
        if (writeSync(file.descriptor, bytes, done, count, position) !== count) throw shortened(file.path);
      });
    },
    close,
  };
}

interface OpenFile {
  readonly path: string;
  readonly descriptor: number;
  readonly size: number;
}

type Visit = (file: OpenFile, position: number, count: number, done: number) => void;

function openFile(backend: string, files: ReadonlyMap<string, string>, writable: boolean): OpenFile {
  const path = files.get(backend);
  if (path === undefined) {
    throw new GuestError('guest-ram-unknown', `The VM has RAM in ${backend}, which is no memory backend.`);
  }
  try {
    const descriptor = openSync(path, writable ? 'r+' : 'r');
    return { path, descriptor, size: fstatSync(descriptor).size };
  } catch (cause) {
    throw new GuestError('guest-ram-unreadable', `The VM's RAM file ${path} cannot be opened.`, {
      cause,
      hint: 'Run this as root, on the host of the VM.',
    });
  }
}

/** @throws GuestError `guest-read-too-long` for a length that no read may have. */
export function checkedLength(length: number): number {
  if (Number.isSafeInteger(length) && length >= 0 && length <= MAX_READ) return length;
  throw new GuestError('guest-read-too-long', `A read of ${length} bytes of guest memory is refused.`);
}

/**
 * Calls `visit` for each range that a stretch of memory touches: with the address in it, how many bytes, and
 * how many came before.
 *
 * @throws GuestError `guest-memory-outside` before the first visit when any byte is not RAM.
 */
export function visitRanges<Range extends { readonly start: number; readonly size: number }>(
  ranges: readonly Range[],
  address: number,
  length: number,
  visit: (range: Range, from: number, count: number, done: number) => void,
): void {
  const parts: [Range, number, number, number][] = [];
  for (let done = 0; done < length; ) {
    const from = address + done;
    const range = rangeOf(ranges, from);
    if (range === undefined) {
      throw new GuestError('guest-memory-outside', `Guest-physical address ${hex(from)} is not RAM.`);
    }
    const count = Math.min(length - done, range.start + range.size - from);
    parts.push([range, from, count, done]);
    done += count;
  }
  for (const part of parts) visit(...part);
}

function rangeOf<Range extends { readonly start: number; readonly size: number }>(
  ranges: readonly Range[],
  address: number,
): Range | undefined {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range === undefined) return undefined;
    if (address < range.start) high = middle - 1;
    else if (address >= range.start + range.size) low = middle + 1;
    else return range;
  }
  return undefined;
}

function shortened(path: string): GuestError {
  return new GuestError('guest-ram-unknown', `The VM's RAM file ${path} became shorter.`);
}
