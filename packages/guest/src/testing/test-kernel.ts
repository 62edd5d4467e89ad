import type { SystemRegisters } from '../locate/registers.ts';
import type { KallsymsLayout } from './kallsyms-writer.ts';
import { type TestMemory, testMemory } from './memory.ts';
import { LARGE_PAGE, type PageTables, pageTables } from './page-tables.ts';
import { IMAGE_BYTES, testImage } from './test-image.ts';
import { type TestObjects, writeObjects } from './test-objects.ts';
import { MODULE_AREA } from './test-types.ts';

export interface TestKernelOptions {
  /** Which kernel's symbol table it has. Default 6.12. */
  readonly layout?: KallsymsLayout;
  readonly levels?: 4 | 5;
  readonly cpus?: number;
  /** Where KASLR put it, from where it was linked; a multiple of 2 MiB. */
  readonly slide?: number;
  readonly buildId?: string;
}

/** A guest in a buffer: as much of a kernel as Exuvia reads, in the formats of real ones. For tests and fuzzing. */
export interface TestKernel extends TestObjects {
  readonly memory: TestMemory;
  readonly registers: SystemRegisters;
  readonly tables: PageTables;
  readonly base: bigint;
  readonly image: Buffer;
  /** Address of a symbol. */
  address(symbol: string): bigint;
  /** The memory from a virtual address on. */
  at(virtual: bigint): Buffer;
}

const MEMORY_BYTES = 4 * 2 ** 20;
const IMAGE_AT = 2 ** 21;
const LINKED_AT = 0xffff_ffff_8100_0000n;
const INTERRUPT_TABLE = 0xffff_fe00_0000_0000n;
const MODULE_PAGES = 4;
const DIRECT_MAP = { 4: 0xffff_8880_0000_0000n, 5: 0xff11_0000_0000_0000n } as const;

export function testKernel(options: TestKernelOptions = {}): TestKernel {
  const { layout = '6.12', levels = 4, cpus = 2, slide = 0x200_0000, buildId = 'ab'.repeat(20) } = options;
  const bytes = Buffer.alloc(MEMORY_BYTES);
  const base = LINKED_AT + BigInt(slide);
  const { bytes: written, places } = testImage({ layout, base, physicalBase: IMAGE_AT, cpus, buildId });
  const image = bytes.subarray(IMAGE_AT, IMAGE_AT + IMAGE_BYTES);
  written.copy(image);
  let free = IMAGE_AT + IMAGE_BYTES;
  const allocate = (size = 4096) => {
    const at = Math.ceil(free / size) * size;
    free = at + size;
    if (free > MEMORY_BYTES) throw new RangeError('The test kernel has no memory left.');
    return at;
  };
  const place = (symbol: string): number => {
    const found = places.get(symbol);
    if (found === undefined) throw new RangeError(`The test kernel has no ${symbol}.`);
    return found;
  };
  const tables = pageTables(bytes, levels, IMAGE_AT + place('init_top_pgt'), allocate);
  tables.map(base, IMAGE_AT, { large: true });
  for (let at = 0; at < MEMORY_BYTES; at += LARGE_PAGE) {
    tables.map(DIRECT_MAP[levels] + BigInt(at), at, { large: true });
  }
  const modulesAt = allocate(MODULE_PAGES * 4096);
  for (let page = 0; page < MODULE_PAGES; page++) {
    tables.map(MODULE_AREA + BigInt(4096 * page), modulesAt + 4096 * page);
  }
  const interrupts = allocate();
  tables.map(INTERRUPT_TABLE, interrupts);
  const address = (symbol: string) => base + BigInt(place(symbol));
  writeGate(bytes.subarray(interrupts), address('asm_exc_divide_error'));
  const at = (virtual: bigint): Buffer => {
    if (virtual >= MODULE_AREA) return bytes.subarray(modulesAt + Number(virtual - MODULE_AREA));
    if (virtual >= base) return bytes.subarray(IMAGE_AT + Number(virtual - base));
    return bytes.subarray(Number(virtual - DIRECT_MAP[levels]));
  };
  const objects = writeObjects({
    cpus,
    address,
    at,
    allocate: (size) => DIRECT_MAP[levels] + BigInt(allocate(size)),
  });
  return {
    ...objects,
    memory: testMemory(bytes),
    registers: {
      cr0: 0x8005_0033n,
      cr3: BigInt(tables.root),
      cr4: levels === 5 ? 0x10f0n | 0x20n : 0xf0n,
      idtBase: INTERRUPT_TABLE,
    },
    tables,
    base,
    image,
    address,
    at,
  };
}

/** A present interrupt gate of 64 bits. */
function writeGate(gate: Buffer, handler: bigint): void {
  gate.writeUInt16LE(Number(handler & 0xffffn), 0);
  gate.writeUInt16LE(0x8e00, 4);
  gate.writeUInt16LE(Number((handler >> 16n) & 0xffffn), 6);
  gate.writeUInt32LE(Number(handler >> 32n), 8);
}
