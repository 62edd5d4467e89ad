import { GuestError } from '../errors.ts';
import { type Btf, KIND, nameOf, typeById, typesNamed } from '../types/btf.ts';
import { arrayOf, resolve, sizeOf } from '../types/members.ts';
import type { TypeName } from './syntax.ts';

/** A type: one of the kernel's, or made of one. Number 0 is void. */
export type TypeRef =
  | { readonly kind: 'btf'; readonly id: number }
  | { readonly kind: 'pointer'; readonly to: TypeRef };

export const VOID: TypeRef = { kind: 'btf', id: 0 };

const MAX_POINTERS = 8;
const TAG_KINDS: Readonly<Record<string, readonly number[]>> = {
  struct: [KIND.struct],
  union: [KIND.union],
  enum: [KIND.enum, KIND.enum64],
  '': [KIND.typedef, KIND.int, KIND.float, KIND.struct, KIND.union, KIND.enum, KIND.enum64],
};
/** What C lets one write shorter than compilers name it in BTF. */
const SHORT: Readonly<Record<string, string>> = {
  unsigned: 'unsigned int',
  short: 'short int',
  long: 'long int',
  'unsigned long': 'long unsigned int',
  'unsigned short': 'short unsigned int',
  'long long': 'long long int',
  'unsigned long long': 'long long unsigned int',
};

/** @throws GuestError `guest-type-missing` when the kernel has no such type. */
export function typeRefOf(btf: Btf, { tag, name, pointers }: TypeName): TypeRef {
  let ref: TypeRef = VOID;
  if (name !== 'void' || tag !== '') {
    const [type] = [name, SHORT[name] ?? name].flatMap((each) => typesNamed(btf, each, TAG_KINDS[tag] ?? []));
    if (type === undefined) {
      throw new GuestError('guest-type-missing', `The kernel has no type ${`${tag} ${name}`.trim()}.`);
    }
    ref = { kind: 'btf', id: type.id };
  }
  if (pointers > MAX_POINTERS) throw new GuestError('guest-expression', 'No type has so many *.');
  for (let count = 0; count < pointers; count++) ref = { kind: 'pointer', to: ref };
  return ref;
}

/** What a pointer points to; null for anything that is no pointer. */
export function targetType(btf: Btf, ref: TypeRef): TypeRef | null {
  if (ref.kind === 'pointer') return ref.to;
  if (ref.id === 0) return null;
  const type = resolve(btf, ref.id);
  return type.kind === KIND.pointer ? { kind: 'btf', id: type.sizeOrType } : null;
}

/** What an array is made of; null for anything that is none. */
export function elementType(
  btf: Btf,
  ref: TypeRef,
): { readonly type: TypeRef; readonly count: number } | null {
  if (ref.kind === 'pointer' || ref.id === 0) return null;
  const type = resolve(btf, ref.id);
  if (type.kind !== KIND.array) return null;
  const { element, count } = arrayOf(btf, type);
  return { type: { kind: 'btf', id: element }, count };
}

/** @throws GuestError `guest-expression` for void. */
export function sizeOfRef(btf: Btf, ref: TypeRef): number {
  if (ref.kind === 'pointer') return 8;
  if (ref.id === 0) throw new GuestError('guest-expression', 'void has no value: cast it to a type.');
  return sizeOf(btf, ref.id);
}

const TAG_NAMES: Readonly<Record<number, string>> = {
  [KIND.struct]: 'struct ',
  [KIND.union]: 'union ',
  [KIND.enum]: 'enum ',
  [KIND.enum64]: 'enum ',
  [KIND.forward]: 'struct ',
};
const MAX_DEPTH = 16;

/** The type as C writes it, nearly: arrays and pointers after the name. */
export function typeText(btf: Btf, ref: TypeRef, depth = 0): string {
  if (depth > MAX_DEPTH) return '...';
  if (ref.kind === 'pointer') return `${typeText(btf, ref.to, depth + 1)} *`;
  if (ref.id === 0) return 'void';
  const type = typeById(btf, ref.id);
  const inner = () => typeText(btf, { kind: 'btf', id: type.sizeOrType }, depth + 1);
  switch (type.kind) {
    case KIND.pointer:
      return `${inner()} *`;
    case KIND.const:
      return `const ${inner()}`;
    case KIND.volatile:
      return `volatile ${inner()}`;
    case KIND.restrict:
    case KIND.typeTag:
      return inner();
    case KIND.functionPrototype:
      return 'function';
    case KIND.array: {
      const { element, count } = arrayOf(btf, type);
      return `${typeText(btf, { kind: 'btf', id: element }, depth + 1)}[${count}]`;
    }
    default:
      return `${TAG_NAMES[type.kind] ?? ''}${nameOf(btf, type) || '(anonymous)'}`;
  }
}
