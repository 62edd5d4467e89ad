import type { KernelReader } from '../objects/reader.ts';
import { readPointer, textOf } from '../objects/reader.ts';
import { hex } from '../support/hex.ts';
import { describeAddress, evaluate, untyped, unusable } from './evaluate.ts';
import { parseExpression } from './syntax.ts';
import { sizeOfRef, type TypeRef, targetType, typeText } from './type-ref.ts';
import { bitFieldOf, typedValue, type Value } from './value.ts';

/** What an expression stands for in a guest. */
export interface ReadResult {
  readonly expression: string;
  readonly type: string;
  /** Where it lies; null for an address that was computed. */
  readonly address: string | null;
  readonly value: Value;
  /** The text that a `char *` points to. */
  readonly text?: string;
}

const MAX_BYTES = 2 ** 20;
const MAX_TEXT = 4096;

/**
 * Reads a variable or a part of it as its type says, for example `per_cpu(runqueues, 0).nr_running`.
 *
 * @throws GuestError `guest-expression`, `guest-symbol-missing`, `guest-type-missing`, `guest-address-unmapped`.
 */
export function readExpression(reader: KernelReader, expression: string): ReadResult {
  const operand = evaluate(reader, parseExpression(expression));
  const { btf, space } = reader;
  if (operand.kind === 'value') {
    const type = typeText(btf, operand.type);
    return { expression, type, address: null, value: describeAddress(reader, operand.value) };
  }
  const { address, type, bits } = operand;
  if (type === null) throw untyped();
  const result = { expression, type: typeText(btf, type), address: hex(address) };
  if (bits !== null && type.kind === 'btf') {
    const bytes = space.read(address, Math.ceil((bits.first + bits.count) / 8));
    return { ...result, value: bitFieldOf(btf, type.id, bits.first, bits.count, bytes) };
  }
  const size = sizeOfRef(btf, type);
  if (size > MAX_BYTES) throw unusable(`it has ${size} bytes: read a member or an element`);
  const value = typedValue(reader, type, space.read(address, size));
  const text = characters(reader, type, address);
  return text === null ? { ...result, value } : { ...result, value, text };
}

/** The text behind a pointer to characters; null where that is not mapped, or it is another pointer. */
function characters({ btf, space }: KernelReader, type: TypeRef, address: bigint): string | null {
  const target = targetType(btf, type);
  if (target === null || !/^(const )?char$/.test(typeText(btf, target))) return null;
  const start = readPointer(space, address);
  const parts: Buffer[] = [];
  for (let done = 0; done < MAX_TEXT; ) {
    const from = start + BigInt(done);
    const length = Math.min(MAX_TEXT - done, 4096 - Number(from & 0xfffn));
    if (space.translate(from) === null) return null;
    const part = space.read(from, length);
    parts.push(part);
    if (part.includes(0)) break;
    done += length;
  }
  return textOf(Buffer.concat(parts));
}
