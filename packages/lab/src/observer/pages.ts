import { readSync } from 'node:fs';
import { decodeHeartbeat, HEARTBEAT_BYTES, HEARTBEAT_MAGIC, type Heartbeat } from '@exuvia/contract';

const PAGE = 4096;
/** Read at once while looking for pages: small enough not to delay the next sample. */
const SLICE = 512 * 1024;
const MAGIC_START = HEARTBEAT_MAGIC.readUInt32LE(0);

export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** A heartbeat page at a place in the file. */
export interface FoundPage {
  readonly offset: number;
  readonly beat: Heartbeat;
}

/** Looks for heartbeat pages, one slice of the file a call, so that sampling goes on in between. */
export class PageScanner {
  readonly #fd: number;
  readonly #extents: readonly Extent[];
  readonly #buffer = Buffer.allocUnsafe(SLICE);
  #extent = 0;
  #position = 0;

  constructor(fd: number, extents: readonly Extent[]) {
    this.#fd = fd;
    this.#extents = extents;
  }

  /** The pages in the next slice; `null` when everything has been looked at. */
  next(): FoundPage[] | null {
    const extent = this.#extents[this.#extent];
    if (extent === undefined) return null;
    const offset = extent.offset + this.#position;
    const length = Math.min(SLICE, extent.size - this.#position);
    const found = this.#look(offset, readSync(this.#fd, this.#buffer, 0, length, offset));
    this.#position += length;
    if (this.#position >= extent.size) {
      this.#extent++;
      this.#position = 0;
    }
    return found;
  }

  #look(offset: number, bytes: number): FoundPage[] {
    const found: FoundPage[] = [];
    for (let at = 0; at + HEARTBEAT_BYTES <= bytes; at += PAGE) {
      if (this.#buffer.readUInt32LE(at) !== MAGIC_START) continue;
      const beat = decodeHeartbeat(this.#buffer.subarray(at, at + HEARTBEAT_BYTES));
      if (beat !== null) found.push({ offset: offset + at, beat });
    }
    return found;
  }
}

const page = Buffer.allocUnsafe(HEARTBEAT_BYTES);

/** The beat at an offset right now; `null` when it is being written, or there is none. */
export function readBeat(fd: number, offset: number): Heartbeat | null {
  return readSync(fd, page, 0, HEARTBEAT_BYTES, offset) === HEARTBEAT_BYTES ? decodeHeartbeat(page) : null;
}
