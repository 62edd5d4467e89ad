import { ExuviaError, formatSize, STORE_LABEL } from '@exuvia/contract';
import {
  type BlockContent,
  findRegion,
  type IomemEntry,
  largestDescribed,
  type MemoryRange,
  type PmemDevice,
  REGION_UNIT,
  sizeOf,
  type TypedRange,
} from '@exuvia/sys';
import { aboutTaken, type FirmwareRanges, firmwareRanges } from './firmware-range.ts';
import { isFound, rangeOf, type SetupRecord } from './record.ts';

export interface SetupFacts {
  readonly iomem: readonly IomemEntry[];
  readonly firmware: readonly TypedRange[];
  /** With what lies on each; `null`: blank. */
  readonly devices: readonly { readonly device: PmemDevice; readonly content: BlockContent | null }[];
  /** Addresses of NVDIMMs, with or without devices on them. */
  readonly nvdimms: readonly MemoryRange[];
  readonly record: SetupRecord | null;
  /** The running kernel's command line has `nokaslr`. */
  readonly kernelStays: boolean;
}

export type SetupPlan =
  /** Persistent memory that is there already, taken as it is. */
  | { readonly kind: 'use'; readonly region: MemoryRange; readonly source: 'nvdimm' | 'memmap' }
  /** A range that `memmap=` turns into emulated persistent memory at the next boot. */
  | {
      readonly kind: 'reserve';
      readonly region: MemoryRange;
      readonly source: 'memmap' | 'type-7';
      /** What else the user should know; '' for nothing. */
      readonly note: string;
    }
  /** The same was set up before. */
  | { readonly kind: 'again'; readonly record: SetupRecord };

/**
 * Decides where a store of at least `size` bytes comes from: persistent memory of the machine, a range that
 * its firmware declares persistent, or RAM.
 *
 * @throws ExuviaError `setup-differs` when another size is set up; `setup-impossible` with the largest size
 * that fits.
 */
export function planSetup(size: number, facts: SetupFacts): SetupPlan {
  const { record } = facts;
  if (record !== null && record.state !== 'undone') return again(size, record);
  const ranges = firmwareRanges({ ...facts, leftover: leftoverOf(record) });
  return fromDevice(size, facts) ?? fromFirmware(size, ranges, facts) ?? fromRam(size, facts, ranges);
}

function again(size: number, record: SetupRecord): SetupPlan {
  const wanted = roundUp(size);
  const taken = record.source === 'memmap' ? record.region.size === wanted : record.region.size >= wanted;
  // Memory that was found, not made, has the size that it has.
  if (taken || (isFound(record) && record.region.size >= wanted)) {
    return { kind: 'again', record };
  }
  throw new ExuviaError(
    'setup-differs',
    `A store of ${formatSize(record.region.size)} is set up already; ${formatSize(size)} is another size.`,
    { hint: 'To change it: `exuvia setup --undo`, reboot, then `exuvia setup --memory SIZE`.' },
  );
}

/** The smallest device that is large enough, can be mapped, and holds nothing of anybody else's. */
function fromDevice(size: number, { devices, record }: SetupFacts): SetupPlan | null {
  const leftover = leftoverOf(record);
  const usable = devices
    .map(({ device, content }) => ({ device, isFree: content === null || content.label === STORE_LABEL }))
    .filter(({ device, isFree }) => isFree && device.dax && !device.readOnly && device.sizeBytes >= size)
    // What an undone setup had made is gone after the next reboot.
    .filter(({ device }) => device.source === 'nvdimm' || device.region?.start !== leftover?.start)
    .sort((a, b) => rank(a.device) - rank(b.device) || a.device.sizeBytes - b.device.sizeBytes);
  const region = usable[0]?.device.region;
  if (region == null) return null;
  return { kind: 'use', region, source: usable[0]?.device.source === 'nvdimm' ? 'nvdimm' : 'memmap' };
}

function rank(device: PmemDevice): number {
  return device.source === 'nvdimm' ? 0 : 1;
}

/** It is no RAM of anybody's, so all of it is used, as far as there is RAM for its memory map. */
function fromFirmware(size: number, ranges: FirmwareRanges, { iomem }: SetupFacts): SetupPlan | null {
  const most = largestDescribed(iomem);
  const found = ranges.free.find((range) => sizeOf(range) >= size);
  if (found === undefined || most < size) return null;
  const region = { start: found.start, end: Math.min(found.end, found.start + most) };
  return { kind: 'reserve', region, source: 'type-7', note: '' };
}

function fromRam(size: number, facts: SetupFacts, { taken }: FirmwareRanges): SetupPlan {
  const note = aboutTaken(taken);
  const result = findRegion({
    iomem: withoutLeftovers(facts),
    firmware: facts.firmware,
    kernelStays: facts.kernelStays,
    size,
  });
  if (result.found) return { kind: 'reserve', region: result.region, source: 'memmap', note };
  throw new ExuviaError('setup-impossible', `${formatSize(size)} cannot be set aside: ${result.reason}.`, {
    hint: [
      result.largest > 0
        ? `Ask for less: exuvia setup --memory ${formatSize(result.largest)}`
        : 'This machine has too little memory for a store.',
      ...(note === '' ? [] : [note]),
    ].join(' '),
  });
}

/** What an undone setup had made of memory is there until the next reboot. What it had found stays. */
function leftoverOf(record: SetupRecord | null): MemoryRange | null {
  if (record === null || record.source === 'nvdimm' || isFound(record)) return null;
  return rangeOf(record);
}

/** The region of an undone setup is RAM again after the next reboot. */
function withoutLeftovers({ iomem, record }: SetupFacts): IomemEntry[] {
  const region = leftoverOf(record);
  if (region === null || record?.source !== 'memmap') return [...iomem];
  const kept: IomemEntry[] = iomem.filter((entry) => !within(entry, region));
  const freed = iomem.some((entry) => entry.depth === 0 && within(entry, region));
  if (!freed) return kept;
  return joinRam([...kept, { ...region, name: 'System RAM', depth: 0 }]);
}

function within(entry: IomemEntry, region: MemoryRange): boolean {
  return entry.start >= region.start && entry.end <= region.end && entry.name !== 'System RAM';
}

/** Ranges of RAM that touch are one range, as the next kernel will see them. */
function joinRam(iomem: readonly IomemEntry[]): IomemEntry[] {
  const result: IomemEntry[] = [];
  const isRam = (entry: IomemEntry) => entry.depth === 0 && entry.name === 'System RAM';
  for (const entry of [...iomem].sort((a, b) => a.start - b.start || sizeOf(b) - sizeOf(a))) {
    const before = result.findLastIndex(isRam);
    const last = result[before];
    if (isRam(entry) && last !== undefined && last.end === entry.start) {
      result[before] = { ...last, end: entry.end };
    } else {
      result.push(entry);
    }
  }
  return result;
}

function roundUp(value: number): number {
  return Math.ceil(value / REGION_UNIT) * REGION_UNIT;
}
