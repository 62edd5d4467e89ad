import { GuestError } from '../errors.ts';
import { hex } from '../support/hex.ts';
import { branchTo, CALL } from '../support/x86.ts';
import { type Features, featuresOf } from './features.ts';
import type { Image } from './image.ts';
import { moveInstructions } from './move.ts';
import { padWithNops } from './nops.ts';
import { refuseEntry, type TableEntry, type Tables } from './tables.ts';
import type { LinkTarget } from './target.ts';

/** ALTINSTR_FLAG_INV of Linux 6.1 lies in the number itself; since 6.3 flags have a field of their own. */
const INVERTED_6_1 = 0x8000;
const FLAG_NOT = 1;
const FLAG_DIRECT_CALL = 2;

/**
 * Alternatives of the patch, as apply_alternatives writes them (arch/x86/kernel/alternative.c): for what the
 * guest's CPU has, by the features that its kernel found at boot. Entries are worked through in their order:
 * a later one for the same instruction wins.
 */
export function patchAlternatives(tables: Tables, image: Image, target: LinkTarget): void {
  const stride = strideOf(tables);
  if (stride === null) return;
  const has = featuresOf(target);
  for (const entry of tables.entries('alternatives', stride)) {
    patchAlternative(readEntry(entry, stride, tables), has, image, target);
  }
}

interface Alternative {
  readonly entry: TableEntry;
  readonly code: Buffer;
  readonly address: bigint;
  readonly replacement: Buffer;
  readonly replacementAddress: bigint;
  readonly feature: number;
  readonly not: boolean;
  readonly directCall: boolean;
}

/** 12 bytes until Linux 6.2, 14 since 6.3: told by where the pointers of the first two entries lie. */
function strideOf(tables: Tables): 12 | 14 | null {
  const [section] = tables.sections('alternatives');
  if (section === undefined || section.bytes.length === 0) return null;
  const fits = (stride: 12 | 14) =>
    section.bytes.length % stride === 0 &&
    tables
      .entries('alternatives', stride)
      .every((entry) => [0, 4].every((field) => tables.pointer(entry, field) !== undefined));
  if (fits(14)) return 14;
  if (fits(12)) return 12;
  throw new GuestError('patch-table', `The entries of ${section.name} have no layout that is known.`);
}

function readEntry(entry: TableEntry, stride: 12 | 14, tables: Tables): Alternative {
  const { section, at } = entry;
  const number = section.bytes.readUInt16LE(at + 8);
  const flags = stride === 12 ? (number & INVERTED_6_1 ? FLAG_NOT : 0) : section.bytes.readUInt16LE(at + 10);
  const feature = stride === 12 ? number & ~INVERTED_6_1 : number;
  const length = section.bytes.readUInt8(at + stride - 2);
  const replacementLength = section.bytes.readUInt8(at + stride - 1);
  const original = tables.target(entry, 0);
  if (original.region !== 'code' || original.offset + length > original.buffer.length) {
    refuseEntry(entry, 'what it replaces does not lie in code');
  }
  if (replacementLength > length) refuseEntry(entry, 'the replacement is longer than what it replaces');
  if ((flags & ~(FLAG_NOT | FLAG_DIRECT_CALL)) !== 0) refuseEntry(entry, `its flags are ${hex(flags)}`);
  const source = replacementLength === 0 ? null : tables.target(entry, 4);
  if (source !== null && source.offset + replacementLength > source.buffer.length) {
    refuseEntry(entry, 'its replacement lies outside of its section');
  }
  return {
    entry,
    code: original.buffer.subarray(original.offset, original.offset + length),
    address: original.address,
    replacement:
      source === null
        ? Buffer.alloc(0)
        : Buffer.from(source.buffer.subarray(source.offset, source.offset + replacementLength)),
    replacementAddress: source?.address ?? 0n,
    feature,
    not: (flags & FLAG_NOT) !== 0,
    directCall: (flags & FLAG_DIRECT_CALL) !== 0,
  };
}

function patchAlternative(alternative: Alternative, has: Features, image: Image, target: LinkTarget): void {
  const { entry, code, address, replacement, replacementAddress, feature, not, directCall } = alternative;
  if (has(feature) === not) return;
  const bytes = directCall ? directCallOf(alternative, image, target) : replacement;
  if (!directCall && !moveInstructions(bytes, replacementAddress, address)) {
    refuseEntry(entry, 'its replacement cannot be moved to where it belongs');
  }
  code.set(bytes);
  padWithNops(code, bytes.length);
}

/**
 * alt_replace_call (Linux 6.8): a call through a pointer of the guest, `call *pv_ops+N(%rip)`, becomes the
 * call of what the pointer names, or nothing where that is a function that does nothing.
 */
function directCallOf(
  { entry, code, address }: Alternative,
  image: Image,
  { symbols, space }: LinkTarget,
): Buffer {
  if (code.length !== 6 || code[0] !== 0xff || code[1] !== 0x15) {
    refuseEntry(entry, 'it is no call through a pointer');
  }
  const pointer = BigInt.asUintN(64, address + 6n + BigInt(code.readInt32LE(2)));
  if (image.find(pointer) !== null)
    refuseEntry(entry, 'the pointer that it calls through is part of the patch');
  const called = space.read(pointer, 8).readBigUInt64LE();
  const nothing = [...symbols.find('nop_func'), ...symbols.find('_paravirt_nop')];
  if (nothing.some((symbol) => symbol.address === called)) return Buffer.alloc(0);
  const goal = called === 0n ? symbols.one('BUG_func').address : called;
  return branchTo(CALL, goal, address) ?? refuseEntry(entry, 'what the pointer names is too far away');
}
