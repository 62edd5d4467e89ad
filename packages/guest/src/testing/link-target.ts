import type { KernelSymbol, SymbolTable } from '../kinds.ts';
import type { LinkTarget } from '../link/index.ts';
import { hex } from '../support/hex.ts';

export interface TestTargetOptions {
  readonly release?: string;
  /** Symbols by name; several of one name as a list. */
  readonly symbols?: Readonly<Record<string, bigint | readonly bigint[]>>;
  /** What lies at an address of the guest. */
  readonly memory?: ReadonlyMap<bigint, Buffer>;
  readonly modules?: Readonly<Record<string, Readonly<Record<string, bigint>>>>;
  readonly sizes?: Readonly<Record<string, number>>;
}

/** A guest as far as the linker looks at it. */
export function testTarget(options: TestTargetOptions = {}): LinkTarget {
  const { release = '6.12.1', symbols = {}, memory = new Map<bigint, Buffer>(), modules = {} } = options;
  const read = (address: bigint, length: number): Buffer => {
    for (const [start, bytes] of memory) {
      const offset = Number(address - start);
      if (offset >= 0 && offset + length <= bytes.length) return bytes.subarray(offset, offset + length);
    }
    throw new RangeError(`Nothing lies at ${hex(address)}.`);
  };
  const write = (): never => {
    throw new RangeError('The linker writes nothing.');
  };
  return {
    release,
    symbols: table({ old_function: 0xffff_ffff_8100_0100n, ...symbols }),
    space: { levels: 4, translate: () => null, read, write },
    types: {
      offsetOf: (_, path) => (path === 'x86_vendor_id' ? 96 : 8),
      sizeOf: (name) => options.sizes?.[name] ?? 0,
    },
    moduleSymbols: (name) => {
      const found = modules[name];
      return found === undefined ? null : table(found);
    },
  };
}

function table(symbols: Readonly<Record<string, bigint | readonly bigint[]>>): SymbolTable {
  const all = Object.entries(symbols).flatMap(([name, addresses]) =>
    [addresses]
      .flat()
      .map((address, index): KernelSymbol => ({ name, address, type: 'T', position: index + 1 })),
  );
  const find = (name: string) => all.filter((symbol) => symbol.name === name);
  return {
    count: all.length,
    find,
    one: (name) => {
      const [symbol] = find(name);
      if (symbol === undefined) throw new RangeError(`There is no ${name}.`);
      return symbol;
    },
    at: (address) => {
      const symbol = all.find((one) => one.address === address);
      return symbol === undefined ? null : { symbol, offset: 0, size: 16 };
    },
    match: (pattern) => all.filter(({ name }) => pattern.test(name)),
  };
}
