import { createHash } from 'node:crypto';
import { readMessages } from '../dmesg/dmesg.ts';
import type { AddressSpace, GuestKernel, PhysicalMemory, SymbolTable } from '../kinds.ts';
import type { KernelImage } from '../locate/image.ts';
import { createLocator } from '../objects/locate.ts';
import { MODULE_TABLES_BYTES, readModuleCode } from '../objects/module-code.ts';
import { readModuleSymbols } from '../objects/module-symbols.ts';
import { readModules } from '../objects/modules.ts';
import { cpuCount } from '../objects/per-cpu.ts';
import type { KernelReader } from '../objects/reader.ts';
import {
  cpuStacks,
  type Extent,
  freezeStack,
  runningStack,
  type StackReader,
  sleepingStack,
} from '../objects/stacks.ts';
import { readTasks } from '../objects/tasks.ts';
import { readExpression } from '../read/read.ts';
import { checked } from '../support/checked.ts';
import { createSymbolTable } from '../symbols/table.ts';
import type { Btf } from '../types/btf.ts';
import { byteOffset, createTypes, memberAt } from '../types/types.ts';
import { calibrate, findEntry, foreignCode, tableCode, type UnwindableCode } from '../unwind/code.ts';
import type { KernelTables } from './tables.ts';
import { kernelSpace, readBanner } from './verify.ts';

/** Where Debian's (and every distribution's) x86-64 kernels are linked: CONFIG_PHYSICAL_START 16 MiB. */
const LINKED_AT = 0xffff_ffff_8100_0000n;

/** A guest's kernel from its tables and its memory. @throws GuestError naming what did not verify. */
export function createKernel(
  physical: PhysicalMemory,
  image: KernelImage,
  tables: KernelTables,
): GuestKernel {
  const symbols = createSymbolTable(tables.kallsyms, image.base);
  const space = kernelSpace(physical, image, symbols);
  const types = createTypes(tables.btf);
  const { release, version } = readBanner(space, symbols);
  const reader = { space, symbols, types, btf: tables.btf };
  const own = tables.layout.code.map(({ offset, size }) =>
    tableCode(tables.orc, image.base, image.base + BigInt(offset), size),
  );
  const format = calibrate(tables.btf, symbols, own);
  // A patch lies in gaps of the kernel's own text: what it says comes first.
  const foreign = new Set<UnwindableCode>();
  const modules = moduleCodes(reader);
  let stacks: readonly Extent[] | undefined;
  const stackReader: StackReader = {
    ...reader,
    entryAt: (address) =>
      findEntry([...foreign, ...own], format, address) ?? findEntry(modules.codes(), format, address),
    cpuStacks: () => {
      stacks ??= cpuStacks(reader);
      return stacks;
    },
  };
  return {
    release,
    version,
    buildId: tables.buildId,
    slide: image.base - LINKED_AT,
    physical,
    space,
    symbols,
    types,
    bootEpoch: () =>
      checked(() => bootEpoch(space, symbols, tables.btf, [tables.buildId, image.base, image.physicalBase])),
    tasks: () => {
      // Whoever asks for the threads walks their stacks next: with the modules of now.
      modules.forget();
      return checked(() => readTasks(reader));
    },
    modules: () => checked(() => readModules(reader)),
    moduleSymbols: (name) =>
      checked(() => {
        const module = readModules(reader).find((candidate) => candidate.name === name);
        return module === undefined ? null : readModuleSymbols(reader, module);
      }),
    locator: () =>
      createLocator({
        symbols,
        modules: () => checked(() => readModules(reader)),
        moduleSymbols: (module) => checked(() => readModuleSymbols(reader, module)),
      }),
    read: (expression) => checked(() => readExpression(reader, expression)),
    messages: () => checked(() => readMessages(reader)),
    cpus: () => checked(() => cpuCount(reader)),
    addCode(code) {
      const added = foreignCode(code);
      foreign.add(added);
      return () => void foreign.delete(added);
    },
    sleepingStack: (task) => checked(() => sleepingStack(stackReader, task)),
    runningStack: (registers) => checked(() => runningStack(stackReader, registers)),
    freezeStack: (registers) => {
      const walk = checked(() => freezeStack(stackReader, registers));
      return () => checked(walk);
    },
  };
}

/** The code of the modules, read when it is first needed after `forget`; tables of modules that stay are kept. */
function moduleCodes(reader: KernelReader) {
  let codes: readonly UnwindableCode[] | undefined;
  let known = new Map<string, { code: UnwindableCode | null; bytes: number }>();
  return {
    codes(): readonly UnwindableCode[] {
      if (codes !== undefined) return codes;
      const now: typeof known = new Map();
      const room = { bytes: MODULE_TABLES_BYTES };
      for (const module of readModules(reader)) {
        const key = JSON.stringify([
          module.name,
          module.buildId,
          module.state,
          String(module.parts[0]?.start),
        ]);
        const kept = module.buildId === null ? undefined : known.get(key);
        const left = room.bytes;
        const code = kept === undefined ? readModuleCode(reader, module, room) : kept.code;
        if (kept !== undefined) room.bytes -= kept.bytes;
        now.set(key, { code, bytes: left - room.bytes });
      }
      known = now;
      codes = [...now.values()].flatMap(({ code }) => code ?? []);
      return codes;
    },
    forget() {
      codes = undefined;
    },
  };
}

/** Chosen at random once a boot, before the first process (arch/x86/mm/kaslr.c). */
const RANDOM_BASES = ['page_offset_base', 'vmalloc_base', 'vmemmap_base'];

/** A digest of what a kernel chooses at random when it boots and never changes. */
function bootEpoch(space: AddressSpace, symbols: SymbolTable, btf: Btf, known: readonly unknown[]): string {
  const hash = createHash('sha256').update(known.join(' '));
  for (const { address } of RANDOM_BASES.flatMap((name) => symbols.find(name)))
    hash.update(space.read(address, 8));
  const canary = memberAt(btf, 'task_struct', 'stack_canary');
  if (canary !== null) {
    const offset = BigInt(byteOffset(canary, 'task_struct.stack_canary'));
    hash.update(space.read(symbols.one('init_task').address + offset, 8));
  }
  return hash.digest('hex').slice(0, 32);
}
