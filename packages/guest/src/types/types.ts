import { GuestError } from '../errors.ts';
import type { Types } from '../kinds.ts';
import { type Btf, type BtfType, KIND, typesNamed } from './btf.ts';
import { findMember, type Member, resolve, sizeOf } from './members.ts';

/** Layouts by name. Every answer is computed once. */
export function createTypes(btf: Btf): Types {
  const offsets = new Map<string, number>();
  return {
    offsetOf(structure, path) {
      const key = `${structure}:${path}`;
      const known = offsets.get(key);
      if (known !== undefined) return known;
      const offset = offsetOf(btf, structure, path);
      offsets.set(key, offset);
      return offset;
    },
    sizeOf: (name) => sizeOf(btf, typeNamed(btf, name).id),
  };
}

const AGGREGATES = [KIND.struct, KIND.union];

/** @throws GuestError `guest-type-missing`. */
export function typeNamed(btf: Btf, name: string): BtfType {
  const [type] = [
    ...typesNamed(btf, name, AGGREGATES),
    ...typesNamed(btf, name, [KIND.typedef, KIND.int, KIND.enum, KIND.enum64]),
  ];
  if (type === undefined) throw new GuestError('guest-type-missing', `The kernel has no type ${name}.`);
  return type;
}

/** A member by a path such as `signal.thread_head`; null when there is none. The path never goes through a pointer. */
export function memberAt(btf: Btf, structure: string, path: string): Member | null {
  let type = resolve(btf, typeNamed(btf, structure).id);
  let bitOffset = 0;
  let found: Member | null = null;
  for (const name of path.split('.')) {
    if (type.kind !== KIND.struct && type.kind !== KIND.union) return null;
    found = findMember(btf, type, name);
    if (found === null) return null;
    bitOffset += found.bitOffset;
    type = resolve(btf, found.type);
  }
  return found === null ? null : { ...found, bitOffset };
}

function offsetOf(btf: Btf, structure: string, path: string): number {
  const member = memberAt(btf, structure, path);
  if (member === null) {
    throw new GuestError('guest-type-missing', `The kernel's struct ${structure} has no member ${path}.`);
  }
  return byteOffset(member, `${structure}.${path}`);
}

/** Where a member begins, in bytes. @throws GuestError `guest-type-missing` for a bit-field. */
export function byteOffset({ bits, bitOffset }: Member, name: string): number {
  if (bits === null && bitOffset % 8 === 0) return bitOffset / 8;
  throw new GuestError('guest-type-missing', `${name} is a bit-field: it has no offset in bytes.`);
}
