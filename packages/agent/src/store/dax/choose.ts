import { ExuviaError, formatSize, STORE_LABEL } from '@exuvia/contract';
import { type BlockContent, formatAddress, type MemoryRange, type PmemDevice } from '@exuvia/sys';

/** A PMEM device with what lies on it; `null`: no signature at all. */
export interface ProbedDevice {
  readonly device: PmemDevice;
  readonly content: BlockContent | null;
}

/** What to do about the devices of a machine whose store is not mounted. */
export type Choice =
  | { readonly kind: 'none' }
  | { readonly kind: 'mount'; readonly device: PmemDevice }
  | { readonly kind: 'format'; readonly device: PmemDevice };

/**
 * Chooses the device of the store: the one with its label, at the place that setup decided on if it has decided; else a blank
 * one at exactly that place. Nothing else is ever written to.
 *
 * @param mayMove it is an NVDIMM, whose address is another one when memory is added to the machine
 * @throws ExuviaError `store-ambiguous`; `store-foreign` when the place holds somebody else's data.
 */
export function chooseDevice(
  probed: readonly ProbedDevice[],
  wanted: MemoryRange | null,
  mayMove: boolean,
): Choice {
  const isAnyAt = wanted !== null && probed.some(({ device }) => isAt(device, wanted));
  const hasMoved = mayMove && !isAnyAt;
  const labelled = probed.filter(
    ({ device, content }) =>
      isStore(content) &&
      (wanted === null || isAt(device, wanted) || (hasMoved && device.source === 'nvdimm')),
  );
  const [first, second] = labelled;
  if (first !== undefined && second !== undefined) {
    throw new ExuviaError(
      'store-ambiguous',
      `${first.device.path} and ${second.device.path} both have the label ${STORE_LABEL}.`,
      { hint: 'Give one of them another label with e2label.' },
    );
  }
  if (first !== undefined) return { kind: 'mount', device: first.device };
  const place = probed.find(({ device }) => wanted !== null && isAt(device, wanted));
  if (place === undefined) return { kind: 'none' };
  if (place.content === null) return { kind: 'format', device: place.device };
  throw new ExuviaError(
    'store-foreign',
    `${place.device.path} (${formatSize(place.device.sizeBytes)} at ${formatAddress(wanted?.start ?? 0)}) holds ${describe(place.content)}, which is not a store of Exuvia.`,
    { hint: `If nobody needs it: wipefs -a ${place.device.path}, then restart exuvia-agent.` },
  );
}

/** Setup's region may be a little larger than the device: an NVDIMM's namespace begins with its own data. */
export function isAt(device: Pick<PmemDevice, 'source' | 'region'>, wanted: MemoryRange): boolean {
  if (device.region === null) return false;
  if (device.source === 'nvdimm') {
    return wanted.start <= device.region.start && device.region.end <= wanted.end;
  }
  return device.region.start === wanted.start && device.region.end === wanted.end;
}

function isStore(content: BlockContent | null): boolean {
  return content?.type === 'ext4' && content.label === STORE_LABEL;
}

function describe(content: BlockContent): string {
  const what = content.type ?? `a partition table (${content.partitionTable ?? 'unknown'})`;
  return content.label === null ? what : `${what} with the label ${JSON.stringify(content.label)}`;
}

export interface Trust {
  readonly source: PmemDevice['source'];
  /** null: the kernel does not say. */
  readonly startedByKexec: boolean | null;
  /** This boot has opened the store before. */
  readonly openedInThisBoot: boolean;
}

/**
 * Whether a store that is found may be believed. Emulated PMEM is RAM: a start through firmware may have
 * cleared it, cut its power or used it, while its superblock looks as good as ever. Only a kexec leaves it
 * alone for sure, and what this very boot wrote.
 */
export function isTrusted({ source, startedByKexec, openedInThisBoot }: Trust): boolean {
  return source === 'nvdimm' || startedByKexec === true || openedInThisBoot;
}
