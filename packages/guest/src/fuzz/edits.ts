import { z } from 'zod';
import type { Random } from './random.ts';

/** Bytes (in hex) that are put at an offset. */
const editSchema = z.tuple([z.int().nonnegative(), z.string().regex(/^([0-9a-f]{2})+$/)]);
export type Edit = z.infer<typeof editSchema>;

/** A case: one of a target's subjects, and what is changed in it. */
export const caseSchema = z.object({ variant: z.int().nonnegative(), edits: z.array(editSchema) });
export type FuzzCase = z.infer<typeof caseSchema>;

/** A stretch of a subject that is worth changing. */
export interface Area {
  readonly from: number;
  readonly length: number;
}

const MOST_EDITS = 6;
const PLACES = 12;
const NEAR = 64;
const INTERESTING = [0n, 1n, 7n, 8n, 0x7fn, 0xffn, 0x7fffn, 0xffffn, 0x7fff_ffffn, 0xffff_ffffn] as const;

export function applyEdits(bytes: Buffer, edits: readonly Edit[]): void {
  for (const [offset, hex] of edits) {
    if (offset < bytes.length) bytes.write(hex, offset, 'hex');
  }
}

/** Some changes of a few bytes each: bits, limits of numbers, and words that lie elsewhere in the subject. */
export function randomEdits(random: Random, bytes: Buffer, areas: readonly [Area, ...Area[]]): Edit[] {
  return Array.from({ length: 1 + random.below(MOST_EDITS) }, () => {
    const area = random.pick(areas);
    const size = random.pick([1, 1, 2, 4, 8]);
    const at = placeIn(random, bytes, area);
    // Numbers and pointers are aligned.
    const offset = random.below(4) === 0 ? at : at - (at % size);
    return [offset, newBytes(random, bytes, offset, size, areas).toString('hex')];
  });
}

/** Most of a memory is empty: places where something lies are more worth changing. */
function placeIn(random: Random, bytes: Buffer, { from, length }: Area): number {
  let at = from;
  for (let attempt = 0; attempt < PLACES; attempt++) {
    at = from + random.below(length);
    const end = bytes.subarray(at, at + NEAR).findIndex((byte) => byte !== 0);
    if (end >= 0) return at + end;
  }
  return at;
}

function newBytes(
  random: Random,
  bytes: Buffer,
  offset: number,
  size: number,
  areas: readonly [Area, ...Area[]],
): Buffer {
  const value = Buffer.alloc(8);
  bytes.copy(value, 0, offset, offset + size);
  switch (random.below(5)) {
    case 0:
      value.writeUInt8(value.readUInt8(0) ^ (1 << random.below(8)), 0);
      break;
    case 1:
      value.writeBigUInt64LE(random.pick(INTERESTING));
      break;
    case 2:
      value.writeBigUInt64LE(BigInt.asUintN(64, value.readBigUInt64LE() + BigInt(random.below(513) - 256)));
      break;
    case 3: {
      const from = random.pick(areas);
      bytes.copy(value, 0, from.from + random.below(from.length));
      break;
    }
    default:
      for (let at = 0; at < size; at++) value.writeUInt8(random.below(256), at);
  }
  return value.subarray(0, size);
}
