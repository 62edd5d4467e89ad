import { GuestError } from '../errors.ts';
import type { PatchPlace } from '../kinds.ts';
import type { PatchFile, SectionOffset } from '../patch/index.ts';
import { alignUp } from '../support/align.ts';
import { INT3 } from '../support/x86.ts';
import { type Layout, PLACE_ALIGNMENT, type Region } from './layout.ts';

/** A byte of the image that is being linked: where it lies now and where it will. */
export interface ImageByte {
  readonly region: Region;
  readonly buffer: Buffer;
  readonly offset: number;
  readonly address: bigint;
}

/** A patch's sections in their place, with their addresses in the guest. */
export interface Image {
  readonly layout: Layout;
  readonly buffers: Readonly<Record<Region, Buffer>>;
  readonly bases: Readonly<Record<Region, bigint>>;
  /** Where a byte of a section lies; null for a section that is not put into the guest. */
  at(place: SectionOffset): ImageByte | null;
  /** The bytes of the image at an address of it; null outside of it. */
  find(address: bigint): ImageByte | null;
}

/** Copies the patch's sections to where they will lie. @throws GuestError `patch-place` for a place that cannot hold it. */
export function createImage(patch: PatchFile, layout: Layout, place: PatchPlace): Image {
  checkPlace(layout, place);
  const buffers = {
    // Between functions nothing is to be executed.
    code: Buffer.alloc(layout.codeBytes, INT3),
    data: Buffer.alloc(layout.dataBytes),
    spare: Buffer.alloc(layout.spareBytes),
  };
  const bases = {
    code: place.code,
    data: place.data ?? 0n,
    spare: place.code + BigInt(alignUp(layout.codeBytes, PLACE_ALIGNMENT)),
  };
  for (const { section, region, offset } of layout.placed.values()) {
    buffers[region].fill(0, offset, offset + section.size);
    section.bytes.copy(buffers[region], offset);
  }
  for (const { section, start, end } of patch.omitted) {
    const placed = layout.placed.get(section);
    if (placed?.region === 'code') buffers.code.fill(INT3, placed.offset + start, placed.offset + end);
  }
  const byte = (region: Region, offset: number): ImageByte => ({
    region,
    buffer: buffers[region],
    offset,
    address: bases[region] + BigInt(offset),
  });
  return {
    layout,
    buffers,
    bases,
    at({ section, offset }) {
      const placed = layout.placed.get(section);
      return placed === undefined ? null : byte(placed.region, placed.offset + offset);
    },
    find(address) {
      for (const region of ['code', 'data', 'spare'] as const) {
        const offset = address - bases[region];
        if (offset >= 0n && offset < BigInt(buffers[region].length)) return byte(region, Number(offset));
      }
      return null;
    },
  };
}

function checkPlace(layout: Layout, place: PatchPlace): void {
  const misaligned = (address: bigint) => address % BigInt(PLACE_ALIGNMENT) !== 0n;
  if (misaligned(place.code) || (place.data !== null && misaligned(place.data))) {
    throw new GuestError('patch-place', `A patch must lie at a multiple of ${PLACE_ALIGNMENT} bytes.`);
  }
  if (layout.dataBytes > 0 && place.data === null) {
    throw new GuestError(
      'patch-place',
      `The patch needs ${layout.dataBytes} bytes of writable memory and is given none.`,
    );
  }
}
