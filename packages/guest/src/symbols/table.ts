import type { KernelSymbol, SymbolTable } from '../kinds.ts';
import { candidates, hashBytes } from '../support/name-index.ts';
import type { Kallsyms } from './kallsyms.ts';
import { onlyOne } from './list.ts';

/** The symbols of a kernel whose image lies at `base`. */
export function createSymbolTable(kallsyms: Kallsyms, base: bigint): SymbolTable {
  const { names, addresses, index } = kallsyms;
  const { values, absolute } = addresses;
  const count = values.length;
  const addressOf = (id: number) => {
    const value = values[id] ?? 0;
    return id < absolute ? BigInt(value) : BigInt.asUintN(64, base + BigInt(value));
  };
  const symbol = (id: number, position: number): KernelSymbol => {
    const start = names.starts[id] ?? 0;
    return {
      name: names.bytes.toString('latin1', start + 1, names.starts[id + 1]),
      address: addressOf(id),
      type: names.bytes.toString('latin1', start, start + 1),
      position,
    };
  };
  const idsOf = (name: string) => {
    const wanted = Buffer.from(name, 'latin1');
    const ids: number[] = [];
    for (const candidate of candidates(index, hashBytes(wanted, 0, wanted.length))) {
      const [start, end] = [(names.starts[candidate - 1] ?? 0) + 1, names.starts[candidate] ?? 0];
      if (end - start === wanted.length && names.bytes.compare(wanted, 0, wanted.length, start, end) === 0) {
        ids.push(candidate - 1);
      }
    }
    return ids;
  };
  const find = (name: string) => idsOf(name).map((id, at) => symbol(id, at + 1));
  const positioned = (id: number) => {
    const found = symbol(id, 1);
    return { ...found, position: idsOf(found.name).indexOf(id) + 1 };
  };
  return {
    count,
    find,
    one: (name) => onlyOne(find(name), name, 'The kernel'),
    at(address) {
      const value = Number(BigInt.asIntN(64, address - base));
      const id = lastAtOrBelow(values, absolute, value);
      const next = values[firstAbove(values, absolute, value)];
      if (id === null || next === undefined) return null;
      const start = values[id] ?? 0;
      return { symbol: positioned(id), offset: value - start, size: next - start };
    },
    *match(pattern) {
      for (let id = 0; id < count; id++) {
        const start = (names.starts[id] ?? 0) + 1;
        // A global or sticky pattern remembers where it was; every name is looked at from its start.
        pattern.lastIndex = 0;
        if (pattern.test(names.bytes.toString('latin1', start, names.starts[id + 1]))) yield positioned(id);
      }
    },
  };
}

/** The first of the symbols that share the greatest address not above `value`. */
function lastAtOrBelow(values: Int32Array, from: number, value: number): number | null {
  let id = firstAbove(values, from, value) - 1;
  if (id < from) return null;
  const found = values[id];
  while (id > from && values[id - 1] === found) id--;
  return id;
}

/** The first symbol whose address is above `value`; the number of symbols when none is. */
function firstAbove(values: Int32Array, from: number, value: number): number {
  let low = from;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
