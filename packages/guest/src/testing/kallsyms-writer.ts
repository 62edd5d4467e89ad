import type { AddressEncoding } from '../symbols/addresses.ts';

export interface WrittenSymbol {
  readonly name: string;
  readonly type: string;
  /** Offset from the image's start, or an absolute number. */
  readonly value: number;
  readonly absolute?: boolean;
}

/** How kernels of these versions lay their symbols out (scripts/kallsyms.c). */
export type KallsymsLayout = '6.1' | '6.12' | '6.15' | '7.2';

const ENCODING: Readonly<Record<KallsymsLayout, AddressEncoding>> = {
  '6.1': 'absolute-percpu',
  '6.12': 'absolute-percpu',
  '6.15': 'base-relative',
  '7.2': 'place-relative',
};

/** Bytes that stand for two characters; all others stand for themselves. */
const PAIRS = ['ta', 'sk', '__', 'st', 'ar', 'op', 're', 'vf', 's_'];

/**
 * The tables as a kernel's build writes them, to be put at `at` of an image whose start is `base`. Symbols come
 * ascending, absolute ones first.
 */
export function writeKallsyms(
  symbols: readonly WrittenSymbol[],
  layout: KallsymsLayout,
  at: number,
  base: bigint,
): Buffer {
  const alignment = layout === '7.2' ? 4 : 8;
  const encoded = symbols.map(({ name, type }) => encodeName(type + name));
  const names = Buffer.concat(encoded);
  const markers = Buffer.alloc(4 * Math.ceil(symbols.length / 256));
  let done = 0;
  encoded.forEach((name, index) => {
    if (index % 256 === 0) markers.writeUInt32LE(done, index / 64);
    done += name.length;
  });
  const writer = new Writer(at);
  const addresses = (encoding: AddressEncoding) => {
    writer.align(alignment);
    const start = writer.end;
    symbols.forEach(({ value, absolute }, index) => {
      writer.int(encodeAddress(encoding, value, absolute, start + 4 * index));
    });
    if (encoding === 'place-relative') return;
    writer.align(8);
    writer.long(base);
  };
  if (layout === '6.1') addresses(ENCODING[layout]);
  writer.align(alignment);
  writer.int(symbols.length);
  writer.align(alignment);
  writer.bytes(names);
  writer.align(alignment);
  writer.bytes(markers);
  if (layout === '6.1') {
    writer.align(alignment);
    writer.bytes(Buffer.alloc(3 * symbols.length, 0x5a));
  }
  writer.align(alignment);
  writeTokens(writer, alignment);
  if (layout !== '6.1') addresses(ENCODING[layout]);
  return writer.result();
}

function encodeName(name: string): Buffer {
  const bytes: number[] = [];
  for (let at = 0; at < name.length; ) {
    const pair = PAIRS.indexOf(name.slice(at, at + 2));
    bytes.push(pair < 0 ? name.charCodeAt(at) : 0x80 + pair);
    at += pair < 0 ? 1 : 2;
  }
  const length = bytes.length < 0x80 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  return Buffer.from([...length, ...bytes]);
}

function encodeAddress(encoding: AddressEncoding, value: number, absolute = false, place: number): number {
  if (encoding === 'place-relative') return value - place;
  if (encoding === 'base-relative') return value;
  return absolute ? value : -1 - value;
}

function writeTokens(writer: Writer, alignment: number): void {
  const offsets: number[] = [];
  const start = writer.end;
  for (let code = 0; code < 256; code++) {
    offsets.push(writer.end - start);
    const printable = code > 0x20 && code < 0x7f;
    const text = printable ? String.fromCharCode(code) : (PAIRS[code - 0x80] ?? 'unused');
    writer.bytes(Buffer.from(`${text}\0`, 'latin1'));
  }
  writer.align(alignment);
  writer.bytes(Buffer.from(Uint16Array.from(offsets).buffer));
}

class Writer {
  readonly #start: number;
  readonly #parts: Buffer[] = [];
  end: number;

  constructor(start: number) {
    this.#start = start;
    this.end = start;
  }

  bytes(part: Buffer): void {
    this.#parts.push(part);
    this.end += part.length;
  }

  int(value: number): void {
    const part = Buffer.alloc(4);
    part.writeInt32LE(value | 0);
    this.bytes(part);
  }

  long(value: bigint): void {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(value);
    this.bytes(part);
  }

  align(alignment: number): void {
    this.bytes(Buffer.alloc(Math.ceil(this.end / alignment) * alignment - this.end));
  }

  result(): Buffer {
    const result = Buffer.concat(this.#parts);
    if (result.length !== this.end - this.#start) throw new Error('lengths do not add up');
    return result;
  }
}
