import { understandKernel } from '../attach/attach.ts';
import type { GuestKernel, PhysicalMemory } from '../kinds.ts';
import { IMAGE_BYTES } from '../testing/test-image.ts';
import { type TestKernel, testKernel } from '../testing/test-kernel.ts';
import { type Area, applyEdits, type Edit } from './edits.ts';
import type { Outcome } from './outcome.ts';
import type { FuzzTarget } from './targets.ts';

/** Where the test kernel's image lies in its memory, and the parts of it. */
const IMAGE_AT = 2 ** 21;
const KALLSYMS: Area = { from: IMAGE_AT + 0x40_000, length: 0x8000 };
const VARIABLES: Area = { from: IMAGE_AT + 0x4000, length: 0x1_0000 };
/** Page tables, tasks, stacks, modules, the printk buffer. */
const OBJECTS: Area = { from: IMAGE_AT + IMAGE_BYTES, length: 0x3_0000 };
/** Reading a kernel takes some thousand reads; hostile data must not make it many more. */
const MOST_READS = 400_000;
const MOST_SYMBOLS = 1000;
const READS_BETWEEN_EDITS = 50;
const VARIANTS = [
  { layout: '6.1', levels: 4 },
  { layout: '6.12', levels: 5 },
  { layout: '6.15', levels: 4 },
  { layout: '7.2', levels: 5 },
] as const;
const EXPRESSIONS = [
  'init_task.comm',
  '*task(1).parent',
  'task(2).parent->comm',
  'per_cpu(runqueues, 0).idle->comm',
  '((struct mixture)mixture_of_types).longs',
  '((struct mixture)mixture_of_types).label',
  '*init_task.signal',
];

/** A guest that lies in some parts of its memory from the beginning. */
function kernelTarget(name: string, areas: readonly [Area, ...Area[]]): FuzzTarget {
  return {
    name,
    variants: VARIANTS.length,
    sound: VARIANTS.length,
    subject(variant) {
      const of = soundKernel(variant);
      return {
        bytes: of.memory.bytes,
        areas,
        async run(edits, outcome) {
          applyEdits(of.memory.bytes, edits);
          await readEverything(of, of.memory, outcome);
        },
      };
    },
  };
}

/** A guest that changes its memory while it is read. */
export const RACING_TARGET: FuzzTarget = {
  name: 'racing',
  variants: VARIANTS.length,
  sound: VARIANTS.length,
  subject(variant) {
    const of = soundKernel(variant);
    return {
      bytes: of.memory.bytes,
      areas: [OBJECTS, VARIABLES, KALLSYMS],
      run: (edits, outcome) => readEverything(of, racing(of, edits), outcome),
    };
  },
};

/** Kernels are made once and put back in order for every case. */
const made = new Map<number, { readonly of: TestKernel; readonly bytes: Buffer }>();

function soundKernel(variant: number): TestKernel {
  let kernel = made.get(variant);
  if (kernel === undefined) {
    const of = testKernel(VARIANTS[variant]);
    kernel = { of, bytes: Buffer.from(of.memory.bytes) };
    made.set(variant, kernel);
  }
  kernel.bytes.copy(kernel.of.memory.bytes);
  return kernel.of;
}

export const TABLES_TARGET = kernelTarget('tables', [KALLSYMS, VARIABLES]);
export const OBJECTS_TARGET = kernelTarget('objects', [OBJECTS, VARIABLES]);

function racing(of: TestKernel, edits: readonly Edit[]): PhysicalMemory {
  let reads = 0;
  return {
    ranges: of.memory.ranges,
    read(address, length) {
      const edit = edits[Math.floor(reads / READS_BETWEEN_EDITS) % Math.max(1, edits.length)];
      if (reads++ % READS_BETWEEN_EDITS === 0 && edit !== undefined) applyEdits(of.memory.bytes, [edit]);
      return of.memory.read(address, length);
    },
    write: (address, bytes) => of.memory.write(address, bytes),
  };
}

async function readEverything(of: TestKernel, memory: PhysicalMemory, outcome: Outcome): Promise<void> {
  const before = of.memory.reads();
  await readAll(of, memory, outcome);
  const reads = of.memory.reads() - before;
  if (reads > MOST_READS) throw new RangeError(`The memory was read ${reads} times.`);
}

async function readAll(of: TestKernel, memory: PhysicalMemory, outcome: Outcome): Promise<void> {
  let kernel: GuestKernel;
  try {
    kernel = await understandKernel(memory, of.registers, { cache: null });
  } catch (error) {
    outcome.refuse('attach', error);
    return;
  }
  outcome.note('attached');
  outcome.attempt('symbols', () => lookUpSymbols(kernel));
  outcome.attempt('epoch', () => kernel.bootEpoch());
  outcome.attempt('cpus', () => kernel.cpus());
  for (const task of outcome.attempt('tasks', () => kernel.tasks()) ?? []) {
    const stack = outcome.attempt('stack', () => kernel.sleepingStack(task));
    if (stack !== undefined) outcome.note(`stack: ${stack.complete ? 'complete' : 'unknown'}`);
  }
  outcome.attempt('running', () => kernel.runningStack(registersIn(of)));
  for (const module of outcome.attempt('modules', () => kernel.modules()) ?? []) {
    outcome.attempt('module', () => kernel.moduleSymbols(module.name)?.find('sample_work'));
  }
  outcome.attempt('messages', () => kernel.messages());
  for (const expression of EXPRESSIONS) outcome.attempt('read', () => kernel.read(expression));
}

function lookUpSymbols(kernel: GuestKernel): void {
  let seen = 0;
  for (const { name, address } of kernel.symbols.match(/./)) {
    kernel.symbols.find(name);
    kernel.symbols.at(address);
    if (++seen === MOST_SYMBOLS) return;
  }
}

/** A CPU that runs `worker` on the stack of the thread `worker`. */
function registersIn(of: TestKernel) {
  const { worker } = of.threads;
  return {
    rip: of.address('worker') + 0x20n,
    rsp: worker,
    rbp: worker,
    rflags: 2n,
    cs: 0x10,
    general: {},
  };
}
