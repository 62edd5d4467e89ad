import { GuestError } from '../errors.ts';
import type { KernelSymbol, SymbolTable } from '../kinds.ts';

export interface ListedSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly type: string;
  readonly size: number;
}

/** A table of some thousand symbols, such as a module's, in the order that they are listed in. */
export function createListedSymbols(listed: readonly ListedSymbol[], owner: string): SymbolTable {
  const byName = new Map<string, KernelSymbol[]>();
  const all: { symbol: KernelSymbol; size: number }[] = [];
  for (const { name, address, type, size } of listed) {
    const same = byName.get(name) ?? [];
    const symbol = { name, address, type, position: same.length + 1 };
    same.push(symbol);
    byName.set(name, same);
    all.push({ symbol, size });
  }
  return {
    count: all.length,
    find: (name) => byName.get(name) ?? [],
    one: (name) => onlyOne(byName.get(name) ?? [], name, owner),
    at(address) {
      const found = all.find(
        ({ symbol, size }) => address >= symbol.address && address < symbol.address + BigInt(size),
      );
      if (found === undefined) return null;
      return { ...found, offset: Number(address - found.symbol.address) };
    },
    *match(pattern) {
      for (const { symbol } of all) {
        pattern.lastIndex = 0;
        if (pattern.test(symbol.name)) yield symbol;
      }
    },
  };
}

/** @throws GuestError `guest-symbol-missing`, `guest-symbol-ambiguous`. */
export function onlyOne(found: readonly KernelSymbol[], name: string, owner: string): KernelSymbol {
  const [only] = found;
  if (only === undefined) throw new GuestError('guest-symbol-missing', `${owner} has no symbol ${name}.`);
  if (found.length === 1) return only;
  throw new GuestError('guest-symbol-ambiguous', `${owner} has ${found.length} symbols ${name}.`, {
    hint: 'Say which one by its position, counted from 1.',
  });
}
