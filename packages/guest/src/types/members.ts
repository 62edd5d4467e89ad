import { type Btf, type BtfType, broken, KIND, stringAt, typeById } from './btf.ts';

/** C allows deeper nesting; the kernel has none. */
const MAX_DEPTH = 32;
/** Members that a search looks at: anonymous structures within each other would multiply without a limit. */
const MAX_MEMBERS = 100_000;

export interface Member {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** Width of a bit-field; null for an ordinary member. */
  readonly bits: number | null;
}

/** The type behind typedefs, const, volatile, restrict and tags. @throws GuestError `guest-btf` when they run in a circle. */
export function resolve(btf: Btf, id: number): BtfType {
  let type = typeById(btf, id);
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (!isAlias(type.kind)) return type;
    type = typeById(btf, type.sizeOrType);
  }
  throw broken(`type ${id} is an alias of itself`);
}

function isAlias(kind: number): boolean {
  return (
    kind === KIND.typedef ||
    kind === KIND.const ||
    kind === KIND.volatile ||
    kind === KIND.restrict ||
    kind === KIND.typeTag
  );
}

/** The members of a struct or union as they are declared; anonymous ones have an empty name. */
export function* membersOf(btf: Btf, type: BtfType): Generator<Member> {
  for (let index = 0; index < type.members; index++) {
    const at = type.at + 12 + 12 * index;
    const offset = btf.bytes.readUInt32LE(at + 8);
    const width = type.flag ? offset >>> 24 : 0;
    const memberType = btf.bytes.readUInt32LE(at + 4);
    // Without the flag a bit-field's width is in its integer type, as compilers before 2019 had it.
    yield {
      name: stringAt(btf, btf.bytes.readUInt32LE(at)),
      type: memberType,
      bitOffset: type.flag ? offset & 0xff_ffff : offset,
      bits: width === 0 ? null : width,
    };
  }
}

/** A member by name, also within anonymous structs and unions; the offset counts from the outermost. */
export function findMember(btf: Btf, type: BtfType, name: string): Member | null {
  let left = MAX_MEMBERS;
  const search = (within: BtfType, depth: number): Member | null => {
    for (const member of membersOf(btf, within)) {
      if (depth > MAX_DEPTH || left-- === 0) throw broken('a structure contains itself, or too many members');
      if (member.name === name) return member;
      if (member.name !== '') continue;
      const inner = resolve(btf, member.type);
      if (inner.kind !== KIND.struct && inner.kind !== KIND.union) continue;
      const found = search(inner, depth + 1);
      if (found !== null) return { ...found, bitOffset: found.bitOffset + member.bitOffset };
    }
    return null;
  };
  return search(type, 0);
}

/** A number of elements and the type of one. */
export function arrayOf(btf: Btf, type: BtfType): { readonly element: number; readonly count: number } {
  return { element: btf.bytes.readUInt32LE(type.at + 12), count: btf.bytes.readUInt32LE(type.at + 20) };
}

/** Larger than anything in a kernel's image. */
const MAX_SIZE = 64 * 2 ** 20;

/** Size of a type in bytes. @throws GuestError `guest-btf` for one that has none or says nonsense. */
export function sizeOf(btf: Btf, id: number): number {
  let count = 1;
  let type = resolve(btf, id);
  for (let depth = 0; depth < MAX_DEPTH && type.kind === KIND.array; depth++) {
    const array = arrayOf(btf, type);
    count *= array.count;
    type = resolve(btf, array.element);
  }
  const size = count * elementSize(type);
  if (size > MAX_SIZE) throw broken(`type ${id} is ${size} bytes long`);
  return size;
}

function elementSize(type: BtfType): number {
  switch (type.kind) {
    case KIND.pointer:
      return 8;
    case KIND.int:
    case KIND.struct:
    case KIND.union:
    case KIND.enum:
    case KIND.enum64:
    case KIND.float:
      return type.sizeOrType;
    default:
      throw broken(`type ${type.id} has no size`);
  }
}
