const GIB = 2 ** 30;
/** Above this size QEMU's q35 machine keeps only 2 GiB below 4 GiB (hw/i386/pc_q35.c, pc_q35_init). */
const LOW_LIMIT = 0xb0000000;

/** A stretch of a machine's physical addresses and where it lies in the file that holds its RAM. */
export interface RamRange {
  readonly physicalStart: number;
  readonly size: number;
  readonly fileOffset: number;
}

/** How a q35 machine's RAM file maps to physical addresses: low memory first, the rest from 4 GiB on. */
export function q35RamRanges(memoryBytes: number): RamRange[] {
  const low = memoryBytes >= LOW_LIMIT ? 2 * GIB : memoryBytes;
  const ranges = [{ physicalStart: 0, size: low, fileOffset: 0 }];
  if (memoryBytes > low) {
    ranges.push({ physicalStart: 4 * GIB, size: memoryBytes - low, fileOffset: low });
  }
  return ranges;
}

/** The parts of the RAM file that hold physical addresses from `start` on, `size` bytes. */
export function fileExtents(
  memoryBytes: number,
  start: number,
  size: number,
): { readonly offset: number; readonly size: number }[] {
  return q35RamRanges(memoryBytes).flatMap((range) => {
    const from = Math.max(start, range.physicalStart);
    const to = Math.min(start + size, range.physicalStart + range.size);
    return to > from ? [{ offset: range.fileOffset + from - range.physicalStart, size: to - from }] : [];
  });
}
