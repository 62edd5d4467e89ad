import { GuestError } from '../errors.ts';
import { type Btf, KIND, typeById } from './btf.ts';
import { resolve, sizeOf } from './members.ts';
import { memberAt } from './types.ts';

/** Reads an integer member out of a structure's bytes, of whatever width and sign this kernel has it. */
export type IntegerField = (bytes: Buffer) => number;

/**
 * @throws GuestError `guest-type-missing` when the structure has no such member, `guest-btf` when it is no
 * integer of at most 48 bits or lies outside of the structure.
 */
export function integerField(btf: Btf, structure: string, path: string): IntegerField {
  const member = memberAt(btf, structure, path);
  if (member === null) {
    throw new GuestError('guest-type-missing', `The kernel's struct ${structure} has no member ${path}.`);
  }
  const bits = member.bits ?? 8 * sizeOf(btf, member.type);
  const shift = member.bitOffset % 8;
  const offset = (member.bitOffset - shift) / 8;
  const bytes = Math.ceil((shift + bits) / 8);
  if (bits < 1 || bytes > 6) throw new GuestError('guest-btf', `${structure}.${path} has ${bits} bits.`);
  const signed = isSigned(btf, member.type);
  return (from) => {
    // At most 48 bits: exact as a number, but not for JavaScript's own shifts.
    const value = Math.floor(from.readUIntLE(offset, bytes) / 2 ** shift) % 2 ** bits;
    return signed && value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
  };
}

/** Encoding bit of a signed integer (BTF_INT_SIGNED). */
const SIGNED = 0x0100_0000;

/** True for a signed integer or enumeration. */
export function isSigned(btf: Btf, id: number): boolean {
  const type = resolve(btf, id);
  if (type.kind === KIND.int) return (btf.bytes.readUInt32LE(type.at + 12) & SIGNED) !== 0;
  return (type.kind === KIND.enum || type.kind === KIND.enum64) && typeById(btf, type.id).flag;
}
