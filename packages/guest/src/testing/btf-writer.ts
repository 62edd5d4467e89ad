import { KIND } from '../types/btf.ts';

export interface WrittenMember {
  readonly name: string;
  readonly type: number;
  /** In bytes; for a bit-field see `firstBit`. */
  readonly at: number;
  readonly bits?: number;
  /** Of a bit-field, counted from the first bit of the structure. */
  readonly firstBit?: number;
}

/** Writes BTF as pahole does, type by type; every method returns the type's number. */
export class BtfWriter {
  readonly #types: Buffer[] = [];
  readonly #offsets = new Map<string, number>([['', 0]]);
  #strings = '\0';

  int(name: string, bytes: number, options: { signed?: boolean; bool?: boolean } = {}): number {
    const encoding = (options.signed ? 1 : 0) | (options.bool ? 4 : 0);
    return this.#add(name, KIND.int, 0, bytes, [(encoding << 24) | (bytes * 8)]);
  }

  pointer(to: number): number {
    return this.#add('', KIND.pointer, 0, to);
  }

  array(element: number, count: number): number {
    return this.#add('', KIND.array, 0, 0, [element, element, count]);
  }

  alias(kind: number, name: string, of: number): number {
    return this.#add(name, kind, 0, of);
  }

  variable(name: string, type: number): number {
    return this.#add(name, KIND.variable, 0, type, [0]);
  }

  enum(name: string, values: Readonly<Record<string, number>>): number {
    const entries = Object.entries(values).flatMap(([each, value]) => [this.#string(each), value]);
    return this.#add(name, KIND.enum, entries.length / 2, 4, entries);
  }

  struct(name: string, bytes: number, members: readonly WrittenMember[], kind: number = KIND.struct): number {
    const words = members.flatMap(({ name: each, type, at, bits, firstBit }) => [
      this.#string(each),
      type,
      bits === undefined ? at * 8 : ((bits << 24) | (firstBit ?? at * 8)) >>> 0,
    ]);
    return this.#add(
      name,
      kind,
      members.length,
      bytes,
      words,
      members.some(({ bits }) => bits !== undefined),
    );
  }

  /** Number that the next type will have: for types that refer to themselves. */
  get next(): number {
    return this.#types.length + 1;
  }

  end(): Buffer {
    const types = Buffer.concat(this.#types);
    const strings = Buffer.from(this.#strings, 'latin1');
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    [24, 0, types.length, types.length, strings.length].forEach((word, index) => {
      header.writeUInt32LE(word, 4 + 4 * index);
    });
    return Buffer.concat([header, types, strings]);
  }

  #add(
    name: string,
    kind: number,
    members: number,
    sizeOrType: number,
    words: readonly number[] = [],
    flag = false,
  ): number {
    const info = ((flag ? 0x8000_0000 : 0) | (kind << 24) | members) >>> 0;
    const record = [this.#string(name), info, sizeOrType, ...words];
    const bytes = Buffer.alloc(4 * record.length);
    record.forEach((word, index) => {
      bytes.writeUInt32LE(word >>> 0, 4 * index);
    });
    return this.#types.push(bytes);
  }

  #string(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#strings.length;
    this.#offsets.set(text, offset);
    this.#strings += `${text}\0`;
    return offset;
  }
}
