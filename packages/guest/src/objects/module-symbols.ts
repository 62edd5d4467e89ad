import { GuestError } from '../errors.ts';
import type { AddressSpace, GuestModule, SymbolTable } from '../kinds.ts';
import { createListedSymbols, type ListedSymbol } from '../symbols/list.ts';
import { integerField } from '../types/fields.ts';
import { type KernelReader, readPointer, textOf } from './reader.ts';

const MAX_SYMBOLS = 200_000;
const MAX_STRINGS = 16 * 2 ** 20;
const MAX_NAME = 512;
/** Elf64_Sym: name (4), info, other, section (2), value (8), size (8). */
const SYMBOL_BYTES = 24;

/** The symbols that the kernel keeps of a module, in its order. @throws GuestError `guest-modules`. */
export function readModuleSymbols(reader: KernelReader, module: GuestModule): SymbolTable {
  const { space, types, btf } = reader;
  const kallsyms = readPointer(space, module.address + BigInt(types.offsetOf('module', 'kallsyms')));
  const bytes = space.read(kallsyms, types.sizeOf('mod_kallsyms'));
  const pointer = (member: string) => bytes.readBigUInt64LE(types.offsetOf('mod_kallsyms', member));
  const count = integerField(btf, 'mod_kallsyms', 'num_symtab')(bytes);
  if (count > MAX_SYMBOLS)
    throw new GuestError('guest-modules', `Module ${module.name} says that it has ${count} symbols.`);
  const entries = space.read(pointer('symtab'), count * SYMBOL_BYTES);
  const letters = space.read(pointer('typetab'), count);
  let lastName = 0;
  for (let index = 0; index < count; index++)
    lastName = Math.max(lastName, entries.readUInt32LE(index * SYMBOL_BYTES));
  if (lastName > MAX_STRINGS)
    throw new GuestError('guest-modules', `Module ${module.name} has names beyond all bounds.`);
  const strings = readAsFarAsMapped(space, pointer('strtab'), lastName + MAX_NAME);
  const listed: ListedSymbol[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * SYMBOL_BYTES;
    const start = entries.readUInt32LE(at);
    const name = textOf(strings.subarray(start, start + MAX_NAME));
    const section = entries.readUInt16LE(at + 6);
    // The first symbol of every table is empty; undefined ones are other objects'.
    if (name === '' || section === 0) continue;
    const address = entries.readBigUInt64LE(at + 8);
    const size = Number(BigInt.asUintN(32, entries.readBigUInt64LE(at + 16)));
    listed.push({ name, address, size, type: String.fromCharCode(letters[index] ?? 0x3f) });
  }
  return createListedSymbols(listed, `Module ${module.name}`);
}

/** Reads page by page, up to the first that is not mapped: where the strings end is not said. */
function readAsFarAsMapped(space: AddressSpace, address: bigint, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let done = 0; done < length; ) {
    const from = address + BigInt(done);
    const bytes = Math.min(length - done, 4096 - Number(from & 0xfffn));
    if (space.translate(from) === null) break;
    parts.push(space.read(from, bytes));
    done += bytes;
  }
  return Buffer.concat(parts);
}
