import { GuestError } from '../errors.ts';
import type { Registers, Stack, Task } from '../kinds.ts';
import { membersOf, sizeOf } from '../types/members.ts';
import { byteOffset, typeNamed } from '../types/types.ts';
import type { OrcEntry } from '../unwind/orc-format.ts';
import { type Unwinder, unwind } from '../unwind/unwind.ts';
import { cpuCount, perCpuAddress } from './per-cpu.ts';
import { type KernelReader, readPointer } from './reader.ts';

/** Lowest word of every thread's stack (include/uapi/linux/magic.h). */
const STACK_END_MAGIC = 0x57ac6e9dn;
/** 16 KiB, 32 KiB with KASAN. */
const STACK_SIZES = [8192, 16_384, 32_768, 65_536];

/** A stretch of memory that serves as a stack, copied at once. */
interface StackCopy {
  readonly start: bigint;
  readonly bytes: Buffer;
}

export interface StackReader extends KernelReader {
  /** The unwind entry for an address of any code that is known now. */
  entryAt(address: bigint): OrcEntry | null;
  /** The interrupt and exception stacks of all CPUs ({@link cpuStacks}); the same for the life of a kernel. */
  readonly cpuStacks: () => readonly Extent[];
}

/** The kernel stack of a thread that is off CPU, from where it was switched away. */
export function sleepingStack(reader: StackReader, task: Task): Stack {
  const { space, types, symbols } = reader;
  const taskField = (path: string) =>
    readPointer(space, task.address + BigInt(types.offsetOf('task_struct', path)));
  const start = taskField('stack');
  const sp = taskField('thread.sp');
  const size = threadSize(reader);
  if (task.state === 'dead' || start === 0n) return none('the thread has ended and has no stack');
  const end = start + BigInt(size);
  const frameBytes = types.sizeOf('inactive_task_frame');
  if (start % 4096n !== 0n || sp % 8n !== 0n || sp < start || sp + BigInt(frameBytes) > end) {
    return none('its saved stack pointer lies outside of its stack');
  }
  const copy = { start: sp, bytes: space.read(sp, Number(end - sp)) };
  const at = (member: string) => types.offsetOf('inactive_task_frame', member);
  const ip = copy.bytes.readBigUInt64LE(at('ret_addr'));
  const bp = copy.bytes.readBigUInt64LE(at('bp'));
  // A thread that has never run begins in this function: there is no call before it.
  const begins = [...symbols.find('ret_from_fork_asm'), ...symbols.find('ret_from_fork')];
  return unwind(
    {
      ip,
      bp,
      sp: sp + BigInt(frameBytes),
      savedAt: sp + BigInt(at('ret_addr')),
      interrupted: begins.some(({ address }) => address === ip),
    },
    unwinderOn(reader, [copy]),
  );
}

/** The kernel stack of a CPU, through whatever stacks it is nested on. In user mode there is none. */
export function runningStack(reader: StackReader, registers: Registers): Stack {
  return freezeStack(reader, registers)();
}

/** A processor is on few stacks at once: a thread's, an interrupt's, an exception's, an NMI's. */
const MAX_NESTED = 4;
/** Where a stack that a CPU has switched to keeps the place it came from: its topmost word, or pt_regs.sp. */
const CAME_FROM = [8, 16];

/**
 * Copies the stacks that a CPU is on, which takes microseconds, and returns what walks the copy. So the walk
 * can wait until the VM runs again.
 */
export function freezeStack(reader: StackReader, registers: Registers): () => Stack {
  if ((registers.cs & 3) !== 0) return () => ({ frames: [], complete: true });
  const copies: StackCopy[] = [];
  const add = (address: bigint) => {
    if (copies.length >= MAX_NESTED || copies.some((copy) => isOn(copy, address))) return;
    const found = stackAt(reader, address);
    if (found === null) return;
    const { copy, isThread } = found;
    copies.push(copy);
    if (isThread) return;
    for (const back of CAME_FROM) add(copy.bytes.readBigUInt64LE(copy.bytes.length - back));
  };
  add(registers.rsp);
  const { general, rip, rsp, rbp } = registers;
  return () =>
    unwind(
      {
        ip: rip,
        sp: rsp,
        bp: rbp,
        savedAt: null,
        interrupted: true,
        general: {
          r10: general.r10 ?? 0n,
          r13: general.r13 ?? 0n,
          dx: general.rdx ?? 0n,
          di: general.rdi ?? 0n,
        },
      },
      unwinderOn(reader, copies),
    );
}

function isOn({ start, bytes }: StackCopy, address: bigint): boolean {
  return address >= start && address < start + BigInt(bytes.length);
}

function stackAt(
  reader: StackReader,
  address: bigint,
): { readonly copy: StackCopy; readonly isThread: boolean } | null {
  const own = reader
    .cpuStacks()
    .find((stack) => address >= stack.start && address < stack.start + BigInt(stack.size));
  if (own !== undefined) {
    const copy = copyStack(reader, own);
    return copy === null ? null : { copy, isThread: false };
  }
  // Threads' stacks are aligned to their size, and their lowest word has a known value.
  const size = threadSize(reader);
  const copy = copyStack(reader, { start: address - (address % BigInt(size)), size });
  return copy?.bytes.readBigUInt64LE(0) === STACK_END_MAGIC ? { copy, isThread: true } : null;
}

function none(reason: string): Stack {
  return { frames: [], complete: false, reason };
}

/** THREAD_SIZE in bytes: the first thread's stack lies in the image, and a symbol follows it. */
export function threadSize({ symbols }: Pick<KernelReader, 'symbols'>): number {
  const { address } = symbols.one('init_stack');
  const size = STACK_SIZES.find((bytes) => symbols.at(address + BigInt(bytes))?.offset === 0);
  if (size !== undefined) return size;
  throw new GuestError(
    'guest-stacks',
    "The size of the guest's stacks is unknown: no symbol follows init_stack.",
  );
}

function unwinderOn(reader: StackReader, stacks: readonly StackCopy[]): Unwinder {
  const indexOf = (address: bigint) => stacks.findIndex((stack) => isOn(stack, address));
  const trampolines = trampolineStarts(reader);
  return {
    entryAt: (address) => reader.entryAt(address),
    stackOf(address) {
      const index = indexOf(address);
      return index < 0 ? null : index;
    },
    word(address) {
      const stack = stacks[indexOf(address)];
      if (stack === undefined) return null;
      const offset = Number(address - stack.start);
      return offset + 8 > stack.bytes.length ? null : stack.bytes.readBigUInt64LE(offset);
    },
    obstacle: (address) => trampolines.get(address) ?? null,
  };
}

/** Return addresses that a tracer has put in place of the real ones. */
function trampolineStarts({ symbols }: KernelReader): ReadonlyMap<bigint, string> {
  const names = {
    return_to_handler: 'a return address was replaced by the function graph tracer',
    arch_rethook_trampoline: 'a return address was replaced by a return probe',
    __kretprobe_trampoline: 'a return address was replaced by a return probe',
  };
  return new Map(
    Object.entries(names).flatMap(([name, why]) =>
      symbols.find(name).map(({ address }) => [address, why] as const),
    ),
  );
}

function copyStack({ space }: KernelReader, { start, size }: Extent): StackCopy | null {
  try {
    return { start, bytes: space.read(start, size) };
  } catch (error) {
    if (error instanceof GuestError) return null;
    throw error;
  }
}

/** Where the interrupt and exception stacks of all CPUs are. */
export function cpuStacks(reader: KernelReader): Extent[] {
  return Array.from({ length: cpuCount(reader) }, (_, cpu) => [
    ...interruptStack(reader, cpu),
    ...exceptionStacks(reader, cpu),
    ...entryStack(reader, cpu),
  ]).flat();
}

export interface Extent {
  readonly start: bigint;
  readonly size: number;
}

/** IRQ_STACK_SIZE (arch/x86/include/asm/page_64_types.h without KASAN). */
const INTERRUPT_STACK = 16_384;

/** In `pcpu_hot` from 6.2 to 6.14, a variable of its own before and after. It points to the topmost word. */
function interruptStack(reader: KernelReader, cpu: number): Extent[] {
  const { space, symbols, types } = reader;
  const [own] = symbols.find('hardirq_stack_ptr');
  const [hot] = symbols.find('pcpu_hot');
  if (own === undefined && hot === undefined) return [];
  const place =
    own?.address ?? (hot?.address ?? 0n) + BigInt(types.offsetOf('pcpu_hot', 'hardirq_stack_ptr'));
  const top = readPointer(space, perCpuAddress(reader, place, cpu));
  return top === 0n ? [] : [{ start: top + 8n - BigInt(INTERRUPT_STACK), size: INTERRUPT_STACK }];
}

function exceptionStacks(reader: KernelReader, cpu: number): Extent[] {
  const { space, symbols, btf } = reader;
  const [pointer] = symbols.find('cea_exception_stacks');
  if (pointer === undefined) return [];
  const start = readPointer(space, perCpuAddress(reader, pointer.address, cpu));
  if (start === 0n) return [];
  const extents: Extent[] = [];
  for (const member of membersOf(btf, typeNamed(btf, 'cea_exception_stacks'))) {
    if (!member.name.endsWith('_stack')) continue;
    const size = sizeOf(btf, member.type);
    const offset = BigInt(byteOffset(member, `cea_exception_stacks.${member.name}`));
    if (size > 0 && size <= 65_536) extents.push({ start: start + offset, size });
  }
  return extents;
}

/** The small stack on which interrupts from user mode arrive: it ends where the task state segment says. */
function entryStack(reader: KernelReader, cpu: number): Extent[] {
  const { space, symbols, types } = reader;
  const [segment] = symbols.find('cpu_tss_rw');
  if (segment === undefined) return [];
  const offset = BigInt(types.offsetOf('tss_struct', 'x86_tss.sp0'));
  const top = readPointer(space, perCpuAddress(reader, segment.address, cpu) + offset);
  const size = types.sizeOf('entry_stack');
  return top === 0n || size > 65_536 ? [] : [{ start: top - BigInt(size), size }];
}
