import {
  formatAddress,
  type IomemEntry,
  type MemoryRange,
  overlaps,
  type PmemDevice,
  REGION_UNIT,
  type TypedRange,
} from '@exuvia/sys';

export interface FirmwareFacts {
  readonly firmware: readonly TypedRange[];
  readonly iomem: readonly IomemEntry[];
  readonly devices: readonly { readonly device: PmemDevice }[];
  /** Addresses of NVDIMMs, whatever they hold. */
  readonly nvdimms: readonly MemoryRange[];
  /** What an undone setup has left until the next reboot. */
  readonly leftover: MemoryRange | null;
}

export interface FirmwareRanges {
  readonly free: readonly MemoryRange[];
  readonly taken: readonly MemoryRange[];
}

/**
 * UEFI's type 7 (persistent memory): a range is free when nothing has taken it. Linux makes devices of it only
 * with an NFIT or for `memmap=` (drivers/nvdimm/e820.c looks for type 12 only). A range that an NVDIMM's driver
 * knows is never free: what it holds need not show as a block device.
 */
export function firmwareRanges(facts: FirmwareFacts): FirmwareRanges {
  const taken: MemoryRange[] = [];
  const free: MemoryRange[] = [];
  const owners = ownersOf(facts);
  for (const range of facts.firmware.filter(({ type }) => type === 'pmem')) {
    if (owners.some((owner) => overlaps(owner, range))) taken.push(range);
    else free.push(wholeUnits(range));
  }
  return { free, taken };
}

function ownersOf({ iomem, devices, nvdimms, leftover }: FirmwareFacts): MemoryRange[] {
  const isLeftover = (range: MemoryRange) =>
    leftover !== null && leftover.start <= range.start && range.end <= leftover.end;
  const emulated = [
    ...devices.flatMap(({ device }) => device.region ?? []),
    // The range itself is `Persistent Memory`; everything else at that place is somebody's.
    ...iomem.filter((entry) => entry.name !== 'Persistent Memory'),
  ].filter((range) => !isLeftover(range));
  return [...nvdimms, ...emulated];
}

function wholeUnits({ start, end }: MemoryRange): MemoryRange {
  return {
    start: Math.ceil(start / REGION_UNIT) * REGION_UNIT,
    end: Math.floor(end / REGION_UNIT) * REGION_UNIT,
  };
}

/** Why persistent memory of the machine was left alone, and how to see whose it is; '' when there is none. */
export function aboutTaken(taken: readonly MemoryRange[]): string {
  if (taken.length === 0) return '';
  const where = taken.map(({ start }) => formatAddress(start)).join(', ');
  return `Persistent memory at ${where} is in use or belongs to an NVDIMM and was left alone: see ndctl list -NRui. A namespace in fsdax mode that holds nothing can be the store.`;
}
