import { GuestError } from '../errors.ts';
import { buildNameIndex, candidates, hashBytes, type NameIndex } from '../support/name-index.ts';

/** Kinds of BTF types (include/uapi/linux/btf.h of 6.12). */
export const KIND = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  function: 12,
  functionPrototype: 13,
  variable: 14,
  section: 15,
  float: 16,
  declarationTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

const MAGIC = 0xeb9f;
const MAX_BYTES = 64 * 2 ** 20;
const MAX_TYPES = 2_000_000;

/** BTF whose every record lies inside of it. Names and references are checked when they are followed. */
export interface Btf {
  readonly bytes: Buffer;
  /** Place of each type's record; type 0 is void and has none. */
  readonly records: Uint32Array;
  readonly strings: { readonly start: number; readonly end: number };
  readonly index: NameIndex;
}

/**
 * Reads the BTF of a kernel or module (Documentation/bpf/btf.rst of 6.12, version 1).
 *
 * @throws GuestError `guest-btf` saying what is not as documented.
 */
export function parseBtf(bytes: Buffer): Btf {
  const header = parseHeader(bytes);
  const records = findRecords(bytes, header.types);
  const { strings } = header;
  const index = buildNameIndex(records.length - 1, (id) => {
    const record = records[id] ?? 0;
    const start = strings.start + bytes.readUInt32LE(record);
    return start > strings.start && start < strings.end
      ? hashBytes(bytes, start, endOfString(bytes, start, strings))
      : null;
  });
  return { bytes, records, strings, index };
}

interface Section {
  readonly start: number;
  readonly end: number;
}

function parseHeader(bytes: Buffer): { types: Section; strings: Section } {
  if (bytes.length > MAX_BYTES) throw broken(`it is ${bytes.length} bytes long`);
  if (bytes.length < 24 || bytes.readUInt16LE(0) !== MAGIC)
    throw broken('it does not begin with its magic number');
  if (bytes[2] !== 1) throw broken(`it is of version ${bytes[2]}`);
  const length = bytes.readUInt32LE(4);
  const section = (name: string, at: number): Section => {
    const start = length + bytes.readUInt32LE(at);
    const end = start + bytes.readUInt32LE(at + 4);
    if (length < 24 || end > bytes.length) throw broken(`its ${name} end beyond it`);
    return { start, end };
  };
  const types = section('types', 8);
  const strings = section('strings', 16);
  if (strings.end === strings.start || bytes[strings.start] !== 0 || bytes[strings.end - 1] !== 0) {
    throw broken('its strings are not delimited by NUL');
  }
  return { types, strings };
}

function findRecords(bytes: Buffer, { start, end }: Section): Uint32Array {
  // A record is at least 12 bytes long.
  const records = new Uint32Array(Math.min(MAX_TYPES, Math.floor((end - start) / 12)) + 1);
  let count = 0;
  for (let at = start; at < end; ) {
    if (++count >= records.length) throw broken(`it has more than ${records.length - 1} types`);
    if (at + 12 > end) throw broken('its last type is cut off');
    records[count] = at;
    const info = bytes.readUInt32LE(at + 4);
    at += recordSize((info >>> 24) & 0x1f, info & 0xffff);
    if (at > end) throw broken('its last type is cut off');
  }
  return records.slice(0, count + 1);
}

function recordSize(kind: number, members: number): number {
  switch (kind) {
    case KIND.int:
    case KIND.variable:
    case KIND.declarationTag:
      return 16;
    case KIND.array:
      return 24;
    case KIND.struct:
    case KIND.union:
    case KIND.section:
    case KIND.enum64:
      return 12 + 12 * members;
    case KIND.enum:
    case KIND.functionPrototype:
      return 12 + 8 * members;
    case KIND.pointer:
    case KIND.forward:
    case KIND.typedef:
    case KIND.volatile:
    case KIND.const:
    case KIND.restrict:
    case KIND.function:
    case KIND.float:
    case KIND.typeTag:
      return 12;
    default:
      throw broken(`it has a type of kind ${kind}`);
  }
}

/** Kind, number of members and name of a type. */
export interface BtfType {
  readonly id: number;
  readonly kind: number;
  /** Place of the record. */
  readonly at: number;
  readonly members: number;
  /** Bit-field members carry their widths (struct and union); signed (enum). */
  readonly flag: boolean;
  /** Size in bytes, or the type that is referred to. */
  readonly sizeOrType: number;
}

/** @throws GuestError `guest-btf` for a reference to a type that is none. */
export function typeById(btf: Btf, id: number): BtfType {
  const at = btf.records[id];
  if (at === undefined || id === 0) throw broken(`it refers to type ${id}, which it does not have`);
  const info = btf.bytes.readUInt32LE(at + 4);
  return {
    id,
    at,
    kind: (info >>> 24) & 0x1f,
    members: info & 0xffff,
    flag: info >>> 31 === 1,
    sizeOrType: btf.bytes.readUInt32LE(at + 8),
  };
}

/** The types of this name and one of these kinds, in the order of their ids. */
export function typesNamed(btf: Btf, name: string, kinds: readonly number[]): BtfType[] {
  const wanted = Buffer.from(name, 'latin1');
  const found: BtfType[] = [];
  for (const id of candidates(btf.index, hashBytes(wanted, 0, wanted.length))) {
    const type = typeById(btf, id);
    if (kinds.includes(type.kind) && nameOf(btf, type) === name) found.push(type);
  }
  return found;
}

export function nameOf(btf: Btf, type: BtfType): string {
  return stringAt(btf, btf.bytes.readUInt32LE(type.at));
}

/** A string of the BTF; the empty one for offset 0. @throws GuestError `guest-btf`. */
export function stringAt({ bytes, strings }: Btf, offset: number): string {
  const start = strings.start + offset;
  if (start >= strings.end) throw broken('a name lies beyond its strings');
  return bytes.toString('latin1', start, endOfString(bytes, start, strings));
}

/** C names are short; a longer one is cut. */
const MAX_NAME = 512;

function endOfString(bytes: Buffer, start: number, { end }: Section): number {
  let at = start;
  const limit = Math.min(end, start + MAX_NAME);
  while (at < limit && bytes[at] !== 0) at++;
  return at;
}

export function broken(why: string): GuestError {
  return new GuestError('guest-btf', `The kernel's type information (BTF) is not understood: ${why}.`);
}
