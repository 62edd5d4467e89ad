import { alignUp } from '../support/align.ts';
import type { TokenTable } from './token-table.ts';

/** Ten times what a distribution's kernel has; a symbol table that says more is a lie. */
const MAX_SYMBOLS = 2_000_000;
const MAX_NAME_BYTES = 64 * 2 ** 20;
/** KSYM_NAME_LEN of 6.1 and later, and the letter of the type. */
const MAX_NAME = 513;
/** One marker for so many symbols. */
const STRIDE = 256;

/** Names in an image: `count` of them between `start` and `end`, and the word that says how many. */
export interface NameTable {
  readonly count: number;
  /** Where the number of symbols lies. */
  readonly countAt: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Finds the names in front of a token table. The order is: number of symbols, names, markers, token table in
 * every kernel from 4.20 on, but for 6.2 and 6.3 (and Debian's 6.1, which took it over), where the order of
 * the symbols by name, 24 bits each, comes before the token table. Only a table of which every name and every
 * marker agrees is taken.
 */
export function findNames(image: Buffer, tokens: TokenTable): NameTable | null {
  let walks = MAX_WALKS;
  for (const markers of markerCandidates(image, tokens.start)) {
    const last = image.readUInt32LE(markers.start + 4 * (markers.count - 1));
    // The names after the last marker: at least one byte, at most a stride of the longest ones.
    const lowest = Math.max(8, markers.start - last - STRIDE * (MAX_NAME + 2));
    for (let start = (markers.start - last) & ~3; start >= lowest; start -= 4) {
      for (const alignment of [4, 8]) {
        if (start % alignment !== 0) continue;
        const count = image.readUInt32LE(start - alignment);
        if (Math.ceil(count / STRIDE) !== markers.count || count > MAX_SYMBOLS) continue;
        if (markers.symbols !== null && markers.symbols !== count) continue;
        if (walks-- === 0) return null;
        const end = endOfNames(image, start, count, markers);
        if (end !== null && alignUp(end, alignment) === markers.start) {
          return { count, countAt: start - alignment, start, end };
        }
      }
    }
  }
  return null;
}

/** Hardly any place but the right one looks like the start of names; a guest may make them all look like it. */
const MAX_WALKS = 64;

interface Markers {
  readonly start: number;
  readonly count: number;
  /** The number of symbols, where it follows from what lies behind the markers. */
  readonly symbols: number | null;
}

function* markerCandidates(image: Buffer, tokenTable: number): Generator<Markers> {
  if (tokenTable % 4 !== 0 || tokenTable < 16) return;
  const end = image.readUInt32LE(tokenTable - 4) === 0 ? tokenTable - 4 : tokenTable;
  const adjacent = markersUpTo(image, end);
  if (adjacent !== null) yield { ...adjacent, symbols: null };
  if (tokenTable % 8 !== 0) return;
  for (let symbols = STRIDE + 1; symbols <= MAX_SYMBOLS; symbols++) {
    const count = Math.ceil(symbols / STRIDE);
    const start = tokenTable - alignUp(3 * symbols, 8) - alignUp(4 * count, 8);
    if (start < 16) return;
    if (image.readUInt32LE(start) !== 0 || !isMarker(image.readUInt32LE(start + 4))) continue;
    const found = markersUpTo(image, start + 4 * count);
    if (found?.start === start) yield { ...found, symbols };
  }
}

/** The second marker: so many bytes take the first names of a table. */
function isMarker(bytes: number): boolean {
  return bytes >= 2 * STRIDE && bytes <= (MAX_NAME + 2) * STRIDE;
}

/** Ascending 32-bit numbers from 0 on that end at `end`. */
function markersUpTo(image: Buffer, end: number): { start: number; count: number } | null {
  for (let at = end - 4; at >= 4 && end - at <= (MAX_SYMBOLS / STRIDE) * 4; at -= 4) {
    const value = image.readUInt32LE(at);
    if (value === 0) return { start: at, count: (end - at) / 4 };
    if (image.readUInt32LE(at - 4) >= value) return null;
  }
  return null;
}

function endOfNames(image: Buffer, start: number, count: number, markers: Markers): number | null {
  let at = start;
  for (let index = 0; index < count; index++) {
    if (index % STRIDE === 0 && image.readUInt32LE(markers.start + (index / STRIDE) * 4) !== at - start)
      return null;
    if (at + 2 > markers.start) return null;
    // ULEB128 of at most two bytes since 6.1; shorter names read the same in older ones.
    let length = image[at++] ?? 0;
    if (length >= 0x80) length = (length & 0x7f) | ((image[at++] ?? 0) << 7);
    at += length;
    if (at > markers.start) return null;
  }
  return at;
}

/** Decompressed names: name `i` (its type's letter first) is `bytes` from `starts[i]` to `starts[i + 1]`. */
export interface Names {
  readonly bytes: Buffer;
  readonly starts: Uint32Array;
}

/** Decompresses names; null when one is empty, too long or unprintable, or all together are too long. */
export function decodeNames(image: Buffer, table: NameTable, { tokens }: TokenTable): Names | null {
  const starts = new Uint32Array(table.count + 1);
  let bytes = Buffer.allocUnsafe(Math.min(MAX_NAME_BYTES, table.count * 48 + MAX_NAME));
  let length = 0;
  let at = table.start;
  for (let index = 0; index < table.count; index++) {
    let left = image[at++] ?? 0;
    if (left >= 0x80) left = (left & 0x7f) | ((image[at++] ?? 0) << 7);
    starts[index] = length;
    for (; left > 0; left--) {
      const token = tokens[image[at++] ?? 0];
      if (token === undefined || length - (starts[index] ?? 0) + token.length > MAX_NAME) return null;
      if (length + token.length > bytes.length) {
        if (bytes.length >= MAX_NAME_BYTES) return null;
        bytes = Buffer.concat([bytes], Math.min(MAX_NAME_BYTES, bytes.length * 2));
        if (length + token.length > bytes.length) return null;
      }
      for (let place = 0; place < token.length; place++) {
        const byte = token[place] ?? 0;
        if (byte <= 0x20 || byte >= 0x7f) return null;
        bytes[length++] = byte;
      }
    }
    if (length - (starts[index] ?? 0) < 2) return null;
  }
  starts[table.count] = length;
  return { bytes: Buffer.from(bytes.subarray(0, length)), starts };
}
