import type { ElfSection, ElfSymbol, Relocation } from '../elf/index.ts';
import { GuestError } from '../errors.ts';
import { type PatchFile, RELOCATION_NAMES } from '../patch/index.ts';
import { hex } from '../support/hex.ts';
import type { Image, ImageByte } from './image.ts';
import { resolveSymbol } from './resolve.ts';
import type { LinkTarget } from './target.ts';

const R = { none: 0, abs64: 1, pc32: 2, plt32: 4, abs32: 10, abs32s: 11, pc64: 24 } as const;

/**
 * Applies every relocation of the sections that are part of the image, as apply_relocate_add does
 * (arch/x86/kernel/module.c): the field must fit its value and must not hold one yet.
 *
 * @throws GuestError `patch-relocation` naming section and index; the errors of {@link resolveSymbol}.
 */
export function relocate(patch: PatchFile, image: Image, target: LinkTarget): void {
  const addresses = new Map<number, bigint>();
  for (const [symbol, name] of patch.needs) addresses.set(symbol, resolveSymbol(target, name).address);
  for (const { section, target: changed, relocations } of patch.elf.relocations) {
    for (const relocation of relocations) {
      const field = image.at({ section: changed, offset: relocation.offset });
      if (field === null) break;
      const symbol = patch.elf.symbols[relocation.symbol];
      if (symbol === undefined) continue;
      const fail = (why: string): never => refuse(section, relocation, symbol, why);
      const value = BigInt.asUintN(64, symbolAddress(symbol, image, addresses, fail) + relocation.addend);
      write(field, relocation, value, fail);
    }
  }
}

type Fail = (why: string) => never;

function symbolAddress(
  symbol: ElfSymbol,
  image: Image,
  addresses: ReadonlyMap<number, bigint>,
  fail: Fail,
): bigint {
  if (symbol.index === 0) return 0n;
  if (symbol.place.kind === 'absolute') return symbol.value;
  const known = addresses.get(symbol.index);
  if (known !== undefined) return known;
  if (symbol.place.kind !== 'section') return fail('its symbol has no address');
  const byte = image.at({ section: symbol.place.section, offset: Number(symbol.value) });
  return byte?.address ?? fail('its symbol is not put into the guest');
}

function write(field: ImageByte, { type }: Relocation, value: bigint, fail: Fail): void {
  const distance = BigInt.asIntN(64, value - field.address);
  switch (type) {
    case R.none:
      return;
    case R.abs64:
      put(field, 8, value, fail);
      return;
    case R.pc64:
      put(field, 8, BigInt.asUintN(64, distance), fail);
      return;
    case R.pc32:
    case R.plt32:
      if (BigInt.asIntN(32, distance) !== distance) fail(`its target is ${distance} bytes away`);
      put(field, 4, BigInt.asUintN(32, distance), fail);
      return;
    case R.abs32:
      if (BigInt.asUintN(32, value) !== value) fail(`${hex(value)} does not fit into 32 bits`);
      put(field, 4, value, fail);
      return;
    case R.abs32s:
      if (BigInt.asIntN(32, value) !== BigInt.asIntN(64, value)) {
        fail(`${hex(value)} does not fit into 32 bits with sign`);
      }
      put(field, 4, BigInt.asUintN(32, value), fail);
      return;
    default:
      fail('its type is not known in a kernel');
  }
}

/** The kernel refuses a field that is not zero: it would have been relocated before. */
function put({ buffer, offset }: ImageByte, bytes: 4 | 8, value: bigint, fail: Fail): void {
  if (offset + bytes > buffer.length) fail('it reaches over the end of its section');
  for (let index = 0; index < bytes; index += 1) {
    if (buffer[offset + index] !== 0) fail('its field is not zero');
  }
  if (bytes === 8) buffer.writeBigUInt64LE(value, offset);
  else buffer.writeUInt32LE(Number(value), offset);
}

function refuse(section: ElfSection, relocation: Relocation, symbol: ElfSymbol, why: string): never {
  const type = RELOCATION_NAMES.get(relocation.type) ?? `type ${relocation.type}`;
  throw new GuestError(
    'patch-relocation',
    `Relocation ${section.name}[${relocation.index}] (${type} against ${symbol.name}) cannot be done: ${why}.`,
  );
}
