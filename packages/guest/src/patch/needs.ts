import { type ElfObject, type ElfSymbol, invalid } from '../elf/index.ts';
import type { GuestSymbolName, PatchSection } from './kinds.ts';
import { isLinked } from './refusals.ts';

/** `.klp.sym.OBJECT.NAME,POSITION` (Documentation/livepatch/module-elf-format.rst). */
const LIVEPATCH_SYMBOL = /^\.klp\.sym\.([^.]+)\.(.+),([0-9]{1,9})$/;

/**
 * What each symbol that the patch does not define stands for in the guest. Only symbols that are used by
 * something that is linked: a module also names what its own initialisation calls.
 */
export function needsOf(
  elf: ElfObject,
  sections: readonly PatchSection[],
  aliases: ReadonlyMap<string, GuestSymbolName>,
): ReadonlyMap<number, GuestSymbolName> {
  const needs = new Map<number, GuestSymbolName>();
  for (const { target, relocations } of elf.relocations) {
    if (!isLinked(sections[target])) continue;
    for (const relocation of relocations) {
      const symbol = elf.symbols[relocation.symbol];
      if (symbol === undefined || symbol.index === 0 || needs.has(symbol.index)) continue;
      const name = guestName(symbol, aliases, elf.file);
      if (name !== null) needs.set(symbol.index, name);
    }
  }
  return needs;
}

function guestName(
  symbol: ElfSymbol,
  aliases: ReadonlyMap<string, GuestSymbolName>,
  file: string,
): GuestSymbolName | null {
  if (symbol.place.kind === 'undefined') {
    return aliases.get(symbol.name) ?? { object: 'vmlinux', name: symbol.name, position: 0 };
  }
  if (symbol.place.kind !== 'livepatch') return null;
  const [, object, name, position] = LIVEPATCH_SYMBOL.exec(symbol.name) ?? [];
  if (object === undefined || name === undefined) {
    throw invalid(file, `its livepatch symbol ${symbol.name} is not named .klp.sym.OBJECT.NAME,POSITION`);
  }
  return { object, name, position: Number(position) };
}
