import { formatSize } from '@exuvia/contract';
import { type IomemEntry, insideRam, kernelImage, systemRam } from './iomem.ts';
import { intersect, type MemoryRange, sizeOf, subtract, type TypedRange, union } from './range.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** The unit of DAX mappings with huge pages, and of the memory map of PMEM (SUBSECTION_SIZE, Linux 5.3). */
export const REGION_UNIT = 2 * MIB;

/**
 * Alignments, best first. 1 GiB keeps the kernel's direct map of RAM and region in 1 GiB pages. 128 MiB is
 * x86's memory section: PMEM that shares a section with RAM works only since Linux 5.3, and not in every
 * tool. 2 MiB is the least with which a file in the region can be mapped with huge pages.
 */
const ALIGNMENTS = [GIB, 128 * MIB, REGION_UNIT];

const FOUR_GIB = 4 * GIB;

/** Below this, kernels are loaded when KASLR is off, and DMA memory for old devices is taken. */
const LOW_FLOOR = 256 * MIB;

/** What a Debian host with its agent needs for itself, at least. */
const HOST_RESERVE = GIB;

/**
 * Of each byte of the region: emulated persistent memory has no altmap (drivers/nvdimm/e820.c), so its memory map, 64
 * bytes for each page of 4 KiB, lies in the host's RAM.
 */
const PAGE_STRUCTS = 1 / 64;

/**
 * RAM that stays above the region. Booted through UEFI, the initrd lies at the top of free memory (EFI stub, LoadFile2;
 * EDK2 gives the highest pages first), before the kernel knows of `memmap=`: it must not lie on a store that a way back
 * through firmware is to find as it was.
 */
const BOOT_ROOM = 512 * MIB;

export interface RegionRequest {
  readonly iomem: readonly IomemEntry[];
  /** Empty when the kernel does not export it: then /proc/iomem alone decides. */
  readonly firmware: readonly TypedRange[];
  /** Bytes; rounded up to {@link REGION_UNIT}. */
  readonly size: number;
  /** The kernel command line has `nokaslr`: the kernel's image stays where it is. */
  readonly kernelStays?: boolean;
  /** Bytes of RAM that must remain to the host, beside the region's memory map. Default: 1 GiB. */
  readonly hostReserve?: number;
}

export type RegionResult =
  | { readonly found: true; readonly region: MemoryRange; readonly alignment: number }
  /** `largest` in bytes: what would fit; 0 for nothing. */
  | { readonly found: false; readonly reason: string; readonly largest: number };

/**
 * Finds the place for emulated persistent memory: inside RAM that firmware and kernel agree on, clear of
 * everything that has a fixed place in it, as high as possible (low memory is scarce and what boot loaders
 * and old devices need) but for {@link BOOT_ROOM}, if it fits so, well aligned. Below 4 GiB only when it fits nowhere
 * above.
 */
export function findRegion(request: RegionRequest): RegionResult {
  const size = roundUp(request.size, REGION_UNIT);
  const ram = systemRam(request.iomem);
  const total = totalOf(ram);
  const reserve = request.hostReserve ?? HOST_RESERVE;
  const spare = roundDown((total - reserve) / (1 + PAGE_STRUCTS), REGION_UNIT);
  const free = freeRam(request, ram);
  const largest = Math.max(0, Math.min(spare, largestIn(free)));

  if (size > spare) {
    const left = `${formatSize(reserve)} and 1/64 of the store's size are left to the host`;
    return refuse(`the machine has ${inMib(total)} of RAM, of which ${left}`, largest);
  }
  const roomy = withoutTop(free);
  const isLow = (range: MemoryRange) => !isHigh(range);
  for (const zone of [roomy.filter(isHigh), free.filter(isHigh), roomy.filter(isLow), free.filter(isLow)]) {
    for (const alignment of ALIGNMENTS.filter((one) => one <= size)) {
      const region = highest(zone, size, alignment);
      if (region !== null) return { found: true, region, alignment };
    }
  }
  return refuse('there is no free range of RAM of that size in one piece', largest);
}

/** The largest region outside of RAM whose memory map still fits into it. */
export function largestDescribed(iomem: readonly IomemEntry[]): number {
  return Math.max(0, roundDown((totalOf(systemRam(iomem)) - HOST_RESERVE) / PAGE_STRUCTS, REGION_UNIT));
}

function totalOf(ranges: readonly MemoryRange[]): number {
  return ranges.reduce((sum, range) => sum + sizeOf(range), 0);
}

function refuse(reason: string, largest: number): RegionResult {
  const fits = largest > 0 ? `the largest that fits is ${formatSize(largest)}` : 'nothing fits';
  return { found: false, reason: `${reason}; ${fits}`, largest };
}

/** RAM in which a region may lie, cut at 4 GiB. */
function freeRam(
  { iomem, firmware, kernelStays }: RegionRequest,
  ram: readonly MemoryRange[],
): MemoryRange[] {
  const firmwareRam = firmware.filter((range) => range.type === 'ram');
  const agreed = firmware.length === 0 ? union(ram) : intersect(ram, firmwareRam);
  // Of several answers of firmware for one address the stricter counts.
  const forbidden = firmware.filter((range) => range.type !== 'ram');
  const fixed = insideRam(iomem).filter((entry) => !entry.name.startsWith('Kernel '));
  const free = subtract(agreed, [...forbidden, ...fixed, ...imageObstacle(iomem, kernelStays === true)]);
  return [
    ...intersect(free, [{ start: LOW_FLOOR, end: FOUR_GIB }]),
    ...intersect(free, [{ start: FOUR_GIB, end: Number.MAX_SAFE_INTEGER }]),
  ];
}

/**
 * The kernel's own image. Where KASLR put it above 4 GiB it lies elsewhere at every boot, and it keeps clear
 * of `memmap=` ranges (arch/x86/boot/compressed/kaslr.c since Linux 4.11, the EFI stub since 6.10): its place today says nothing about
 * the next boot.
 */
function imageObstacle(iomem: readonly IomemEntry[], stays: boolean): MemoryRange[] {
  const image = kernelImage(iomem);
  return image === null || (image.start >= FOUR_GIB && !stays) ? [] : [image];
}

/** What lies below {@link BOOT_ROOM} of RAM in one piece; nothing when there is no such piece. */
function withoutTop(free: readonly MemoryRange[]): MemoryRange[] {
  const tops = free.filter((range) => sizeOf(range) >= BOOT_ROOM).map((range) => range.end - BOOT_ROOM);
  return intersect(free, [{ start: 0, end: Math.max(0, ...tops) }]);
}

function isHigh(range: MemoryRange): boolean {
  return range.start >= FOUR_GIB;
}

function highest(ranges: readonly MemoryRange[], size: number, alignment: number): MemoryRange | null {
  for (const range of [...ranges].sort((a, b) => b.start - a.start)) {
    const start = roundDown(range.end - size, alignment);
    if (start >= range.start) return { start, end: start + size };
  }
  return null;
}

function largestIn(ranges: readonly MemoryRange[]): number {
  const sizes = ranges.map((range) => roundDown(range.end, REGION_UNIT) - roundUp(range.start, REGION_UNIT));
  return Math.max(0, ...sizes);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function roundDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}

function inMib(bytes: number): string {
  return formatSize(roundDown(bytes, MIB));
}
