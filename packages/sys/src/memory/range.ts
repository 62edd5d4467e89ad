/** Physical addresses `start` (inclusive) to `end` (exclusive), in bytes; below 2^52, so numbers are exact. */
export interface MemoryRange {
  readonly start: number;
  readonly end: number;
}

/** What firmware says that a range is (e820 types, ACPI 6.5 section 15). */
export type MemoryType =
  | 'ram'
  | 'reserved'
  | 'acpi-tables'
  | 'acpi-nvs'
  | 'unusable'
  /** Type 7: persistent memory, for example an NVDIMM. */
  | 'pmem'
  /** Type 12: what `memmap=nn!ss` makes. */
  | 'legacy-pmem'
  /** RAM set aside for special use (EFI_MEMORY_SP). */
  | 'soft-reserved'
  | 'unknown';

export interface TypedRange extends MemoryRange {
  readonly type: MemoryType;
}

export function sizeOf(range: MemoryRange): number {
  return range.end - range.start;
}

export function overlaps(a: MemoryRange, b: MemoryRange): boolean {
  return a.start < b.end && b.start < a.end;
}

export function contains(outer: MemoryRange, inner: MemoryRange): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

/** Sorts and joins what touches or overlaps. */
export function union(ranges: readonly MemoryRange[]): MemoryRange[] {
  const result: MemoryRange[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && start <= last.end) {
      result[result.length - 1] = { start: last.start, end: Math.max(last.end, end) };
    } else if (end > start) {
      result.push({ start, end });
    }
  }
  return result;
}

/** What is in both lists. */
export function intersect(a: readonly MemoryRange[], b: readonly MemoryRange[]): MemoryRange[] {
  const pieces = union(a).flatMap((one) =>
    union(b).map((other) => ({
      start: Math.max(one.start, other.start),
      end: Math.min(one.end, other.end),
    })),
  );
  return union(pieces.filter((piece) => piece.start < piece.end));
}

/** What is in `from` and not in `what`. */
export function subtract(from: readonly MemoryRange[], what: readonly MemoryRange[]): MemoryRange[] {
  let rest = union(from);
  for (const hole of what) {
    rest = rest.flatMap((range) => {
      if (!overlaps(range, hole)) return [range];
      const below = { start: range.start, end: Math.max(range.start, hole.start) };
      const above = { start: Math.min(range.end, hole.end), end: range.end };
      return [below, above].filter((piece) => piece.start < piece.end);
    });
  }
  return rest;
}

/** An address as the kernel's documents write it. */
export function formatAddress(address: number): string {
  return `0x${address.toString(16)}`;
}
