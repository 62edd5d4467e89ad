import { alignUp } from '../support/align.ts';
import type { NameTable } from './names.ts';

/**
 * How a kernel encodes the addresses of its symbols (kernel/kallsyms.c):
 * - `absolute-percpu`: numbers from 0 on are absolute (per-CPU variables), negative ones lie at
 *   `base - 1 - number`. CONFIG_KALLSYMS_ABSOLUTE_PERCPU, x86-64 up to 6.14.
 * - `base-relative`: unsigned offsets from the base. x86-64 from 6.15.
 * - `place-relative`: signed offsets from the place of the number itself; there is no base. From 7.0.
 */
export type AddressEncoding = 'absolute-percpu' | 'base-relative' | 'place-relative';

export interface AddressTable {
  readonly encoding: AddressEncoding;
  readonly start: number;
  /** Place of the base that addresses count from; null for `place-relative`. */
  readonly baseAt: number | null;
}

/** Addresses relative to the image's base. The first `absolute` ones are absolute instead. */
export interface Addresses {
  readonly values: Int32Array;
  readonly absolute: number;
}

/** Where addresses may lie: after the token table's index since 6.4, in front of the names before. */
export function addressTables(
  image: Buffer,
  base: bigint,
  names: NameTable,
  afterTokens: number,
): AddressTable[] {
  const tables: AddressTable[] = [];
  const consider = (start: number, baseAt: number) => {
    if (start < 0 || baseAt + 8 > image.length || start + 4 * names.count > image.length) return;
    const distance = image.readBigUInt64LE(baseAt) - base;
    if (distance < 0n || distance >= BigInt(image.length)) return;
    tables.push({ encoding: 'absolute-percpu', start, baseAt }, { encoding: 'base-relative', start, baseAt });
  };
  for (const alignment of [4, 8]) {
    const after = alignUp(afterTokens, alignment);
    consider(after, alignUp(after + 4 * names.count, 8));
  }
  const baseBefore = alignUp(names.countAt - 7, 8) - 8;
  consider(baseBefore - alignUp(4 * names.count, 8), baseBefore);
  const after = alignUp(afterTokens, 4);
  if (after + 4 * names.count <= image.length)
    tables.push({ encoding: 'place-relative', start: after, baseAt: null });
  return tables;
}

/** Decodes addresses; null when they do not ascend, as those of every kernel do: it was another encoding. */
export function decodeAddresses(
  image: Buffer,
  base: bigint,
  { encoding, start, baseAt }: AddressTable,
  count: number,
): Addresses | null {
  const values = new Int32Array(count);
  const shift = baseAt === null ? start : Number(image.readBigUInt64LE(baseAt) - base);
  let absolute = 0;
  let before = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < count; index++) {
    const number = image.readInt32LE(start + 4 * index);
    let value: number;
    if (encoding === 'absolute-percpu' && number >= 0) {
      // Absolute ones are the smallest addresses: none comes after one of the image's.
      if (absolute !== index) return null;
      absolute++;
      value = number;
      if (index > 0 && value < before) return null;
    } else {
      if (encoding === 'absolute-percpu') value = shift - 1 - number;
      else if (encoding === 'base-relative') value = shift + (number >>> 0);
      else value = shift + 4 * index + number;
      if (value > 0x7fff_ffff || value < -0x8000_0000 || (index > absolute && value < before)) return null;
    }
    values[index] = value;
    before = value;
  }
  return { values, absolute };
}
