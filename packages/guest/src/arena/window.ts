import { GuestError } from '../errors.ts';
import type { Area, Window } from '../journal/records.ts';
import type { GuestKernel } from '../kinds.ts';
import { hex } from '../support/hex.ts';
import { KERNEL_WINDOW } from '../support/kernel-window.ts';

const PAGE = 4096;
const LARGE_PAGE = 0x20_0000n;
/** Of the page directory that all of the kernel image's window goes through (level2_kernel_pgt). */
const ENTRIES = 512;
const ADDRESS_BITS = 0x000f_ffff_ffff_f000n;
/** Of the first MiB, what neither firmware data, its tables nor loaders of other systems are in. */
const LOW_START = 0x2_0000;
const LOW_END = 0x9_0000;
const DATA_PAGES = 64;
/** Present, writable, accessed, dirty; the table's own entries are global and not executable as well. */
const DIRECTORY_ENTRY = 0x63n;
const DATA_ENTRY = 0x8000_0000_0000_0163n;

/**
 * Finds memory for the writable data of patches, and kernel addresses for it. Linux reserves the first MiB of
 * every x86 machine for the firmware's sake and never touches it (since 5.13, arch/x86/kernel/setup.c): a part
 * of it is mapped at the end of the kernel image's 1 GiB of addresses, which nothing else ever uses. That takes
 * one entry of a page directory and no cooperation of the guest. Nothing is written here.
 *
 * @throws GuestError `guest-arena-none`.
 */
export function planWindow(kernel: GuestKernel): Window {
  const pages = freeLowPages(kernel);
  const [table, ...rest] = pages;
  if (table === undefined || rest.length < DATA_PAGES) {
    throw none(`only ${pages.length} pages below 1 MiB are unused`);
  }
  const directory = directoryOf(kernel);
  const entries = kernel.physical.read(directory, ENTRIES * 8);
  for (let index = ENTRIES - 1; index >= 0; index--) {
    if (entries.readBigUInt64LE(index * 8) !== 0n) continue;
    return {
      entry: directory + index * 8,
      value: BigInt(table) | DIRECTORY_ENTRY,
      table,
      pages: rest.slice(0, DATA_PAGES),
      address: KERNEL_WINDOW.start + BigInt(index) * LARGE_PAGE,
    };
  }
  throw none("no address is left in the kernel image's 1 GiB");
}

/**
 * Opens the window; does nothing when it is open. It is never closed again: no processor has to be told of a
 * mapping that appears, but of one that goes away all would.
 *
 * @throws GuestError `guest-arena-none` when something else is in its place.
 */
export function openWindow(kernel: GuestKernel, window: Window): void {
  const entry = kernel.physical.read(window.entry, 8).readBigUInt64LE(0);
  const isOurs = (entry & ADDRESS_BITS) === (window.value & ADDRESS_BITS);
  if (entry !== 0n && !isOurs) throw none(`${hex(entry)} is where the page table was to go`);
  if (entry === 0n) {
    const table = Buffer.alloc(PAGE);
    for (const [index, page] of window.pages.entries()) {
      table.writeBigUInt64LE(BigInt(page) | DATA_ENTRY, index * 8);
    }
    kernel.physical.write(window.table, table);
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(window.value);
    kernel.physical.write(window.entry, value);
  }
  for (const [index, page] of window.pages.entries()) {
    const mapping = kernel.space.translate(window.address + BigInt(index * PAGE));
    if (mapping?.physical !== page || !mapping.writable || mapping.executable) {
      throw none(`the page table at ${hex(window.table)} does not hold what was written`);
    }
  }
}

/** Where data can go in an open window. */
export function windowRoom(window: Window): Area[] {
  return [{ address: window.address, length: window.pages.length * PAGE }];
}

/** Guest-physical place of `level2_kernel_pgt`, checked to be what the kernel's addresses go through. */
function directoryOf(kernel: GuestKernel): number {
  const place = (name: string) => {
    const mapping = kernel.space.translate(kernel.symbols.one(name).address);
    if (mapping === null) throw none(`${name} is not mapped`);
    return mapping.physical;
  };
  const directory = place('level2_kernel_pgt');
  const above = kernel.physical.read(place('level3_kernel_pgt'), PAGE);
  const index = Number((KERNEL_WINDOW.start >> 30n) & 511n);
  if (Number(above.readBigUInt64LE(index * 8) & ADDRESS_BITS) !== directory) {
    throw none('its page tables are not linked as in a 64-bit Linux');
  }
  return directory;
}

/** Pages that the kernel has reserved as it has page 0, apart from its own start-up code for processors. */
function freeLowPages(kernel: GuestKernel): number[] {
  const { space, symbols, types } = kernel;
  const pointer = (name: string) => space.read(symbols.one(name).address, 8).readBigUInt64LE(0);
  const map = pointer('vmemmap_base');
  const size = types.sizeOf('page');
  const countAt = types.offsetOf('page', '_refcount');
  const stateOf = (page: number) => {
    const bytes = space.read(map + BigInt((page / PAGE) * size), size);
    return `${bytes.readBigUInt64LE(0)} ${bytes.readInt32LE(countAt)}`;
  };
  const reserved = stateOf(0);
  const blob = realModeBlob(kernel);
  const pages: number[] = [];
  for (let page = LOW_START; page < LOW_END; page += PAGE) {
    if (page + PAGE > blob.start && page < blob.end) continue;
    if (stateOf(page) === reserved) pages.push(page);
  }
  return pages;
}

/** The code that starts processors and wakes the machine lies below 1 MiB (arch/x86/realmode/init.c). */
function realModeBlob({ space, symbols }: GuestKernel): { readonly start: number; readonly end: number } {
  const header = space.read(symbols.one('real_mode_header').address, 8).readBigUInt64LE(0);
  const start = space.translate(header)?.physical;
  if (start === undefined) throw none('real_mode_header does not point into memory');
  const size = symbols.one('real_mode_blob_end').address - symbols.one('real_mode_blob').address;
  return { start, end: start + Number(size) };
}

function none(why: string): GuestError {
  return new GuestError('guest-arena-none', `There is no room in the guest for a patch's data: ${why}.`);
}
