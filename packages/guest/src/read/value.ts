import type { KernelReader } from '../objects/reader.ts';
import { textOf } from '../objects/reader.ts';
import { type Btf, type BtfType, KIND, nameOf, stringAt } from '../types/btf.ts';
import { isSigned } from '../types/fields.ts';
import { type Member, membersOf, resolve, sizeOf } from '../types/members.ts';
import { describeAddress, unusable } from './evaluate.ts';
import { elementType, type TypeRef } from './type-ref.ts';

/**
 * A value as JSON has it. Pointers are text: the address, and the symbol that it lies in; so are integers beyond
 * 2^53 (decimal). Enumerations are the name of the value where it has one. Arrays of characters are text.
 */
export type Value = number | string | boolean | readonly Value[] | { readonly [member: string]: Value };

/** So many values are shown of one expression; what is left out is said. */
const MAX_VALUES = 20_000;
const MAX_ELEMENTS = 1000;
const MAX_DEPTH = 24;

/** @throws GuestError `guest-expression`, `guest-btf`. */
export function typedValue(reader: KernelReader, ref: TypeRef, bytes: Buffer): Value {
  let left = MAX_VALUES;
  const value = (of: TypeRef, at: number, depth: number): Value => {
    if (depth > MAX_DEPTH) throw unusable('its type is nested too deeply');
    if (left-- <= 0) return '...';
    if (of.kind === 'pointer') return describeAddress(reader, pointerAt(bytes, at));
    const array = elementType(reader.btf, of);
    if (array !== null) return elements(array.type, array.count, at, depth);
    const type = resolve(reader.btf, of.id);
    switch (type.kind) {
      case KIND.pointer:
        return describeAddress(reader, pointerAt(bytes, at));
      case KIND.struct:
      case KIND.union:
        return members(type, at, depth);
      default:
        return scalar(
          reader.btf,
          type,
          integerAt(bytes, at, sizeOf(reader.btf, type.id), isSigned(reader.btf, type.id)),
        );
    }
  };
  const elements = (type: TypeRef, count: number, at: number, depth: number): Value => {
    if (isCharacter(reader.btf, type)) return textOf(bytes.subarray(at, at + count));
    if (type.kind === 'btf' && type.id === 0) throw unusable('it is an array of nothing');
    const size = type.kind === 'pointer' ? 8 : sizeOf(reader.btf, type.id);
    const shown = Array.from({ length: Math.min(count, MAX_ELEMENTS) }, (_, index) =>
      value(type, at + index * size, depth + 1),
    );
    return count > MAX_ELEMENTS ? [...shown, `... ${count - MAX_ELEMENTS} more`] : shown;
  };
  const members = (type: BtfType, at: number, depth: number): Value => {
    const result: Record<string, Value> = {};
    // Defined, not assigned: a guest may name a member __proto__.
    const set = (name: string, value: Value) =>
      Object.defineProperty(result, name, { value, enumerable: true, configurable: true });
    for (const member of membersOf(reader.btf, type)) {
      if (left <= 0) break;
      const inner = memberValue(member, at, depth);
      if (member.name !== '') set(member.name, inner);
      // Members of anonymous structures are members of the outer one.
      else if (typeof inner === 'object' && !Array.isArray(inner)) {
        for (const [name, value] of Object.entries(inner)) set(name, value);
      }
    }
    return result;
  };
  const memberValue = (member: Member, at: number, depth: number): Value => {
    if (member.bits !== null) {
      return scalar(reader.btf, resolve(reader.btf, member.type), bitsAt(reader.btf, member, bytes, at));
    }
    if (member.bitOffset % 8 !== 0) throw unusable(`its member ${member.name} begins within a byte`);
    return value({ kind: 'btf', id: member.type }, at + member.bitOffset / 8, depth + 1);
  };
  return value(ref, 0, 0);
}

/** A bit-field whose first bit lies in the first byte. */
export function bitFieldOf(btf: Btf, type: number, first: number, count: number, bytes: Buffer): Value {
  const member = { name: '', type, bitOffset: first, bits: count };
  return scalar(btf, resolve(btf, type), bitsAt(btf, member, bytes, 0));
}

function bitsAt(btf: Btf, { bitOffset, bits, type }: Member, bytes: Buffer, at: number): bigint {
  const first = bitOffset % 8;
  const width = bits ?? 0;
  const start = at + (bitOffset - first) / 8;
  const raw = integerAt(bytes, start, Math.ceil((first + width) / 8), false) >> BigInt(first);
  return isSigned(btf, type) ? BigInt.asIntN(width, raw) : BigInt.asUintN(width, raw);
}

function pointerAt(bytes: Buffer, at: number): bigint {
  if (at + 8 > bytes.length) throw unusable('a pointer in it lies behind its end');
  return bytes.readBigUInt64LE(at);
}

function integerAt(bytes: Buffer, at: number, size: number, signed: boolean): bigint {
  let value = 0n;
  for (const byte of bytes.subarray(at, at + Math.min(size, 16)).toReversed())
    value = (value << 8n) | BigInt(byte);
  return signed ? BigInt.asIntN(8 * size, value) : value;
}

/** Encoding bit of a truth value (BTF_INT_BOOL) in an integer type. */
const BOOL = 0x0400_0000;

function scalar(btf: Btf, type: BtfType, value: bigint): Value {
  if (type.kind === KIND.int && (btf.bytes.readUInt32LE(type.at + 12) & BOOL) !== 0) return value !== 0n;
  if (type.kind === KIND.enum || type.kind === KIND.enum64) return enumName(btf, type, value) ?? plain(value);
  return plain(value);
}

function plain(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function enumName(btf: Btf, type: BtfType, value: bigint): string | null {
  const stride = type.kind === KIND.enum ? 8 : 12;
  for (let index = 0; index < type.members; index++) {
    const at = type.at + 12 + stride * index;
    const low = BigInt(btf.bytes.readUInt32LE(at + 4));
    const high = type.kind === KIND.enum ? 0n : BigInt(btf.bytes.readUInt32LE(at + 8)) << 32n;
    const bits = 8 * (type.kind === KIND.enum ? 4 : 8);
    if (BigInt.asUintN(bits, low | high) === BigInt.asUintN(bits, value)) {
      return stringAt(btf, btf.bytes.readUInt32LE(at));
    }
  }
  return null;
}

function isCharacter(btf: Btf, ref: TypeRef): boolean {
  if (ref.kind === 'pointer' || ref.id === 0) return false;
  const type = resolve(btf, ref.id);
  return type.kind === KIND.int && type.sizeOrType === 1 && nameOf(btf, type) === 'char';
}
