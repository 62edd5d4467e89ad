import { alignUp } from '../support/align.ts';

/**
 * The dictionary by which kallsyms compresses names: 256 strings ending in NUL, then the offset of each as 16
 * bits (scripts/kallsyms.c).
 */
export interface TokenTable {
  readonly start: number;
  readonly tokens: readonly Buffer[];
  /** End of the index that follows it. */
  readonly end: number;
}

/** Digits stand for themselves in every kernel, since all of them occur in names. */
const DIGITS = Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00', 'latin1');
/** Places where the digits are looked at; a kernel has one or two. */
const MAX_PLACES = 1000;
const ZERO = 0x30;
const MAX_TOKEN = 512;

/** All tables in an image whose index agrees with their strings; a real one has exactly one. */
export function* tokenTables(image: Buffer): Generator<TokenTable> {
  let left = MAX_PLACES;
  for (let digits = image.indexOf(DIGITS); digits >= 0; digits = image.indexOf(DIGITS, digits + 1)) {
    if (left-- === 0) return;
    const start = startBefore(image, digits);
    const table = start === null ? null : tableAt(image, start);
    if (table !== null) yield table;
  }
}

/** Goes back over the 48 strings in front of that of '0'. */
function startBefore(image: Buffer, digits: number): number | null {
  let start = digits;
  for (let token = 0; token < ZERO; token++) {
    const before = image.lastIndexOf(0, start - 2);
    if (start < 2 || before < 0 || start - before > MAX_TOKEN) return null;
    start = before + 1;
  }
  return start;
}

function tableAt(image: Buffer, start: number): TokenTable | null {
  const tokens: Buffer[] = [];
  const offsets: number[] = [];
  let at = start;
  for (let token = 0; token < 256; token++) {
    const end = image.indexOf(0, at);
    if (end < 0 || end - at > MAX_TOKEN) return null;
    offsets.push(at - start);
    tokens.push(image.subarray(at, end));
    at = end + 1;
  }
  // 8 bytes of alignment up to 6.x, 4 in later ones.
  for (const alignment of [4, 8]) {
    const index = alignUp(at, alignment);
    if (index + 512 > image.length) continue;
    if (offsets.every((offset, token) => image.readUInt16LE(index + 2 * token) === offset)) {
      return { start, tokens, end: index + 512 };
    }
  }
  return null;
}
