import { GuestError } from '../errors.ts';
import { buildNameIndex, hashBytes, type NameIndex } from '../support/name-index.ts';
import { type AddressEncoding, type Addresses, addressTables, decodeAddresses } from './addresses.ts';
import { decodeNames, findNames, type Names } from './names.ts';
import { type TokenTable, tokenTables } from './token-table.ts';

/** A part of an image, counted from its start. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** A kernel's symbols as typed arrays: independent of where KASLR put the kernel, stored as they are. */
export interface Kallsyms {
  readonly encoding: AddressEncoding;
  readonly names: Names;
  readonly addresses: Addresses;
  readonly index: NameIndex;
  /** The parts of the image that all this was made from: where they are the same, the symbols are. */
  readonly sources: readonly Extent[];
  /** Where the image says what its addresses count from, and how far from its start that is. */
  readonly origin: { readonly at: number; readonly distance: number } | null;
}

/**
 * Finds and decodes the symbol table of a kernel's image (CONFIG_KALLSYMS_ALL; 6.1 to 7.2). Nothing outside
 * of it is needed: the dictionary must agree with its index, the names with their markers, the addresses must
 * ascend, and `_text` must be where the image starts.
 *
 * @throws GuestError `guest-kallsyms` naming the first of these that does not hold.
 */
export function parseKallsyms(image: Buffer, base: bigint): Kallsyms {
  let reason = 'no dictionary of tokens was found whose index agrees with it';
  let attempts = 0;
  for (const tokens of tokenTables(image)) {
    if (++attempts > MAX_DICTIONARIES) break;
    const result = withTokens(image, base, tokens);
    if (typeof result !== 'string') return result;
    reason = result;
  }
  throw new GuestError('guest-kallsyms', `The kernel's symbol table is not understood: ${reason}.`, {
    hint: 'Kernels 6.1 to 7.2 with CONFIG_KALLSYMS_ALL are.',
  });
}

/** A kernel has one; a guest that has thousands wants to keep us busy. */
const MAX_DICTIONARIES = 4;

function withTokens(image: Buffer, base: bigint, tokens: TokenTable): Kallsyms | string {
  const table = findNames(image, tokens);
  if (table === null) return 'no names were found that agree with their markers';
  const names = decodeNames(image, table, tokens);
  if (names === null) return 'a name is empty, too long or unprintable';
  const index = buildNameIndex(table.count, (id) =>
    hashBytes(names.bytes, (names.starts[id - 1] ?? 0) + 1, names.starts[id] ?? 0),
  );
  for (const place of addressTables(image, base, table, tokens.end)) {
    const addresses = decodeAddresses(image, base, place, table.count);
    if (addresses === null || !startsAtText({ names, addresses })) continue;
    const offsets = { offset: place.start, size: 4 * table.count };
    const dictionary = { offset: table.countAt, size: tokens.end - table.countAt };
    const origin =
      place.baseAt === null
        ? null
        : { at: place.baseAt, distance: Number(image.readBigUInt64LE(place.baseAt) - base) };
    return { encoding: place.encoding, names, addresses, index, sources: [dictionary, offsets], origin };
  }
  return 'in no known encoding do its addresses ascend and begin with _text at the start of the image';
}

function startsAtText({ names, addresses }: Pick<Kallsyms, 'names' | 'addresses'>): boolean {
  for (let id = addresses.absolute; id < addresses.values.length; id++) {
    const value = addresses.values[id] ?? 0;
    if (value > 0) return false;
    const start = (names.starts[id] ?? 0) + 1;
    if (value === 0 && names.bytes.toString('latin1', start, names.starts[id + 1]) === '_text') return true;
  }
  return false;
}
