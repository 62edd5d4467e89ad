import type { GuestModule, Location, SymbolTable } from '../kinds.ts';

/** What is asked where an address lies. */
export interface Objects {
  readonly symbols: SymbolTable;
  modules(): readonly GuestModule[];
  moduleSymbols(module: GuestModule): SymbolTable;
}

/** A function that names addresses; modules are looked at once, and their symbols when they are needed. */
export function createLocator(objects: Objects): (address: bigint) => Location | null {
  let modules: readonly GuestModule[] | undefined;
  const tables = new Map<string, SymbolTable>();
  const moduleAt = (address: bigint) => {
    modules ??= objects.modules();
    return modules.find(({ parts }) =>
      parts.some(({ start, size }) => address >= start && address < start + BigInt(size)),
    );
  };
  return (address) => {
    const found = objects.symbols.at(address);
    if (found !== null) {
      return { object: 'vmlinux', name: found.symbol.name, offset: found.offset, size: found.size };
    }
    const module = moduleAt(address);
    if (module === undefined) return null;
    const table = tables.get(module.name) ?? objects.moduleSymbols(module);
    tables.set(module.name, table);
    const within = table.at(address);
    if (within === null) return null;
    return { object: module.name, name: within.symbol.name, offset: within.offset, size: within.size };
  };
}
