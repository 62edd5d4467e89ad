/**
 * The narrow interfaces between the rooms of this package. Physical addresses, offsets and lengths are
 * numbers (bytes); virtual addresses are bigints in 0..2^64-1. Everything that is read comes from a hostile
 * guest: every implementation bounds its reads, loops and memory, and throws a GuestError that names what
 * did not verify.
 */

import type { KernelMessage } from './dmesg/dmesg.ts';
import type { SystemRegisters } from './locate/registers.ts';
import type { ReadResult } from './read/read.ts';

/** Guest-physical memory, read and written through the VM's shared RAM file. */
export interface PhysicalMemory {
  /** Ranges of RAM, ascending, not overlapping. */
  readonly ranges: readonly { readonly start: number; readonly size: number }[];
  /** Throws `guest-memory-outside` for a byte that is not RAM. */
  read(address: number, length: number): Buffer;
  /** Data only: translated code is not invalidated by this (TCG). Same errors as `read`. */
  write(address: number, bytes: Uint8Array): void;
}

export interface Mapping {
  readonly physical: number;
  readonly pageBytes: number;
  readonly writable: boolean;
  readonly executable: boolean;
}

/** The kernel's virtual memory, walked from `swapper_pg_dir` (4 or 5 levels). */
export interface AddressSpace {
  readonly levels: 4 | 5;
  /** `null`: not mapped. */
  translate(address: bigint): Mapping | null;
  /** Throws `guest-address-unmapped` naming the first byte that is not mapped. */
  read(address: bigint, length: number): Buffer;
  /** Data only; permissions of the page tables are not looked at. */
  write(address: bigint, bytes: Uint8Array): void;
}

export interface KernelSymbol {
  readonly name: string;
  readonly address: bigint;
  /** The letter of nm: t T d D r R b B ... */
  readonly type: string;
  /** Position among the symbols of this name in kallsyms order, from 1: livepatch's `sympos`. */
  readonly position: number;
}

export interface SymbolTable {
  readonly count: number;
  /** All of this name, in kallsyms order. */
  find(name: string): readonly KernelSymbol[];
  /** The only one of this name; throws `guest-symbol-missing` or `guest-symbol-ambiguous`. */
  one(name: string): KernelSymbol;
  /** The symbol that an address lies in, and the offset into it. */
  at(
    address: bigint,
  ): { readonly symbol: KernelSymbol; readonly offset: number; readonly size: number } | null;
  match(pattern: RegExp): Iterable<KernelSymbol>;
}

/** The layout of a kernel's types, from BTF. */
export interface Types {
  /** Offset in bytes of a member path such as `signal.thread_head.next`; throws `guest-type-missing`. */
  offsetOf(structure: string, path: string): number;
  sizeOf(type: string): number;
}

export interface Registers {
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly rbp: bigint;
  readonly rflags: bigint;
  readonly cs: number;
  /** The other general registers by name (`rax` ... `r15`). */
  readonly general: Readonly<Record<string, bigint>>;
}

export interface Frame {
  readonly address: bigint;
  /** Address on the stack at which the return address lies; null for the innermost frame of a running CPU. */
  readonly savedAt: bigint | null;
}

export interface Stack {
  readonly frames: readonly Frame[];
  /** False: the walk ended in something it did not understand: the thread may be anywhere. */
  readonly complete: boolean;
  readonly reason?: string;
}

export interface Task {
  readonly pid: number;
  readonly tgid: number;
  readonly comm: string;
  readonly address: bigint;
  readonly state: string;
  /** The CPU it runs on now; null when it is off CPU. */
  readonly onCpu: number | null;
}

/** A guest's kernel, understood and verified against itself. */
export interface GuestKernel {
  readonly release: string;
  readonly version: string;
  readonly buildId: string;
  /** KASLR slide in bytes. */
  readonly slide: bigint;
  readonly physical: PhysicalMemory;
  readonly space: AddressSpace;
  readonly symbols: SymbolTable;
  readonly types: Types;
  /** Differs after every boot, kexec or restore of another machine into this memory; the same after a pause or a host update. */
  bootEpoch(): string;
  /** Every thread, the idle threads of each CPU included. */
  tasks(): Task[];
  /** The loaded modules, newest first. */
  modules(): GuestModule[];
  /** The symbols of a loaded module; null when there is none of this name. */
  moduleSymbols(name: string): SymbolTable | null;
  /** A function that says what addresses lie in, for the kernel and the modules of now. */
  locator(): (address: bigint) => Location | null;
  /** A variable or a part of it as its type says, for example `per_cpu(runqueues, 0).nr_running`. */
  read(expression: string): ReadResult;
  /** The kernel's messages, oldest first. */
  messages(): KernelMessage[];
  /** Number of CPUs that the kernel has places for. */
  cpus(): number;
  /** Takes code into the walks of stacks that the kernel's own tables do not describe; returns what takes it out. */
  addCode(code: ForeignCode): () => void;
  /** The kernel stack of a thread that is off CPU. */
  sleepingStack(task: Task): Stack;
  /** The kernel stack of a CPU from its registers (through interrupt and exception stacks). A CPU in user mode: no frames, complete. */
  runningStack(registers: Registers): Stack;
  /** Copies what {@link runningStack} needs, in microseconds; what is returned walks the copy later. */
  freezeStack(registers: Registers): () => Stack;
}

/** The symbol that an address lies in. */
export interface Location {
  /** `vmlinux`, or a module's name. */
  readonly object: string;
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** A loaded module of a guest's kernel. */
export interface GuestModule {
  readonly name: string;
  readonly address: bigint;
  readonly state: 'live' | 'coming' | 'going' | 'unformed';
  /** Its code and data that outlive its initialisation. */
  readonly parts: readonly { readonly start: bigint; readonly size: number; readonly executable: boolean }[];
  readonly buildId: string | null;
}

/** Code that somebody put into the guest: a patch's. */
export interface ForeignCode {
  readonly start: bigint;
  readonly size: number;
  readonly unwind: PatchUnwind;
}

export type Accelerator = 'tcg' | 'kvm';

/** A VM that stands still. */
export interface StoppedMachine {
  readonly registers: readonly Registers[];
  /** Writes bytes over code or data so that no vCPU can run stale translations of them; reads them back. */
  writeCode(space: AddressSpace, address: bigint, bytes: Uint8Array): Promise<void>;
  readCode(space: AddressSpace, address: bigint, length: number): Promise<Buffer>;
}

/** The one that owns QMP and gdbstub of a VM; all work on it is serialised. */
export interface Machine {
  readonly accelerator: Accelerator;
  readonly physical: PhysicalMemory;
  /** Registers of vCPU 0's IDT and control registers, for finding the kernel. */
  systemRegisters(): Promise<SystemRegisters>;
  /** Stops all vCPUs, runs `work`, and lets them go on whatever happens; `us` is what the tool's stop took. */
  whileStopped<T>(
    work: (stopped: StoppedMachine) => Promise<T>,
  ): Promise<{ readonly result: T; readonly us: number }>;
  /** Leaves the VM exactly as it was found. */
  close(): Promise<void>;
}

/** Where a patch is to lie: both within 2 GiB of the kernel's text. */
export interface PatchPlace {
  /** Executable and read-only; at least `LinkSizes.codeBytes` long, aligned to 64 bytes. */
  readonly code: bigint;
  /** Writable; at least `LinkSizes.dataBytes` long, aligned to 64 bytes; null for a patch without data. */
  readonly data: bigint | null;
}

/** How much room a patch takes. */
export interface LinkSizes {
  readonly codeBytes: number;
  readonly dataBytes: number;
}

/** ORC of a patch's code: what the guest's own tables do not have. Ascending. */
export interface PatchUnwind {
  readonly addresses: readonly bigint[];
  /** Six bytes an address, in the layout of the guest's kernel. */
  readonly entries: Buffer;
}

/** A patch file linked for one kernel and one place. */
export interface LinkedPatch {
  readonly code: { readonly address: bigint; readonly bytes: Buffer };
  readonly data: { readonly address: bigint; readonly bytes: Buffer } | null;
  readonly replacements: readonly {
    readonly oldAddress: bigint;
    readonly newAddress: bigint;
    readonly object: string;
    readonly name: string;
    readonly position: number;
  }[];
  /** Functions of the patch itself, ascending. */
  readonly functions: readonly { readonly name: string; readonly address: bigint; readonly size: number }[];
  readonly unwind: PatchUnwind;
}
