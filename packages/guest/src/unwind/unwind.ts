import type { Frame, Stack } from '../kinds.ts';
import { hex } from '../support/hex.ts';
import type { EntryKind, OrcEntry } from './orc-format.ts';

/** Where a walk begins. */
export interface Start {
  readonly ip: bigint;
  readonly sp: bigint;
  readonly bp: bigint;
  /** Place of `ip` on the stack; null for a register. */
  readonly savedAt: bigint | null;
  /** `ip` is an instruction that is to run next, not the place behind a call. */
  readonly interrupted: boolean;
  /** The other registers, where they are known. */
  readonly general?: Readonly<Record<string, bigint>>;
}

/** What a walk needs of the guest. */
export interface Unwinder {
  entryAt(address: bigint): OrcEntry | null;
  /** The word at a place on one of the stacks that the walk may be on; null for any other place. */
  word(address: bigint): bigint | null;
  /** Number of the stack that an address lies on; null when it is on none. */
  stackOf(address: bigint): number | null;
  /** Why a return address cannot be followed (a tracer's trampoline); null when it can. */
  obstacle(address: bigint): string | null;
}

const MAX_FRAMES = 512;

/** Places in struct pt_regs (arch/x86/include/asm/ptrace.h), in bytes. */
const REGS = { r13: 16n, bp: 32n, r10: 56n, dx: 96n, di: 112n, ip: 128n, cs: 136n, sp: 152n } as const;
/** The part that the processor itself pushes (`REGS_PARTIAL`) begins at `ip`. */
const IRET = { ip: 0n, cs: 8n, sp: 24n } as const;

/**
 * Walks a kernel stack by ORC entries, as arch/x86/kernel/unwind_orc.c (6.12) describes them. Complete means
 * that the walk ended where the kernel was entered from user mode or where a thread begins; anything else is
 * incomplete, with a reason. Bounded whatever the guest says: each step goes up the stack or to another one
 * that the walk has not left before.
 */
export function unwind(start: Start, guest: Unwinder): Stack {
  const frames: Frame[] = [];
  const left = new Set<number>();
  let { ip, sp, bp, savedAt, interrupted } = start;
  let registers: RegisterReader = (name) => start.general?.[name] ?? null;
  const incomplete = (reason: string): Stack => ({ frames, complete: false, reason });
  for (let count = 0; count < MAX_FRAMES; count++) {
    const obstacle = guest.obstacle(ip);
    if (obstacle !== null) return incomplete(obstacle);
    const entry = guest.entryAt(interrupted ? ip : ip - 1n);
    if (entry === null) return incomplete(`${hex(ip)} is in no known code`);
    frames.push({ address: ip, savedAt });
    if (entry.kind === 'end') return { frames, complete: true };
    if (entry.kind === 'undefined') return incomplete(`the code at ${hex(ip)} cannot be unwound`);
    const caller = callerStack(entry, sp, bp, registers, guest);
    if (caller === null) return incomplete(`the frame of ${hex(ip)} cannot be found`);
    const next = returnFrame(entry.kind, caller, guest);
    if (next === null) return incomplete(`the frame of ${hex(ip)} reaches beyond its stack`);
    if ((next.cs & 3n) !== 0n) return { frames, complete: true };
    const savedBp = frameBase(entry, caller, bp, guest);
    if (savedBp === null) return incomplete(`RBP was saved beyond the stack of ${hex(ip)}`);
    if (!goesUp(sp, next.sp, guest, left)) return incomplete(`the stack does not go on above ${hex(sp)}`);
    bp = entry.kind === 'regs' ? (guest.word(caller + REGS.bp) ?? 0n) : savedBp;
    registers = entry.kind === 'regs' ? readerOf(caller, guest) : () => null;
    interrupted = entry.signal;
    ip = next.ip;
    sp = next.sp;
    savedAt = next.savedAt;
  }
  return incomplete(`it has more than ${MAX_FRAMES} frames`);
}

type RegisterReader = (name: 'r10' | 'r13' | 'dx' | 'di') => bigint | null;

/** The caller's stack pointer, or where the saved registers lie. */
function callerStack(
  entry: OrcEntry,
  sp: bigint,
  bp: bigint,
  registers: RegisterReader,
  guest: Unwinder,
): bigint | null {
  const offset = BigInt(entry.stackOffset);
  switch (entry.stackBase) {
    case 'sp':
      return sp + offset;
    case 'bp':
      return bp + offset;
    case 'sp-indirect': {
      const word = guest.word(sp);
      return word === null ? null : word + offset;
    }
    case 'bp-indirect':
      return guest.word(bp + offset);
    case 'undefined':
      return null;
    default:
      return registers(entry.stackBase);
  }
}

interface Return {
  readonly ip: bigint;
  readonly sp: bigint;
  readonly cs: bigint;
  readonly savedAt: bigint;
}

function returnFrame(kind: EntryKind, caller: bigint, guest: Unwinder): Return | null {
  if (kind === 'call') {
    const ip = guest.word(caller - 8n);
    return ip === null ? null : { ip, sp: caller, cs: 0n, savedAt: caller - 8n };
  }
  const places = kind === 'regs' ? REGS : IRET;
  const [ip, cs, sp] = [
    guest.word(caller + places.ip),
    guest.word(caller + places.cs),
    guest.word(caller + places.sp),
  ];
  if (ip === null || cs === null || sp === null) return null;
  return { ip, sp, cs, savedAt: caller + places.ip };
}

function frameBase(entry: OrcEntry, caller: bigint, bp: bigint, guest: Unwinder): bigint | null {
  const offset = BigInt(entry.frameOffset);
  switch (entry.frameBase) {
    case 'undefined':
      return bp;
    case 'previous-sp':
      return guest.word(caller + offset);
    case 'bp':
      return guest.word(bp + offset);
  }
}

/** On one stack a walk only goes up; a stack that it has left it does not come back to. */
function goesUp(from: bigint, to: bigint, guest: Unwinder, left: Set<number>): boolean {
  const [before, after] = [guest.stackOf(from) ?? guest.stackOf(from - 8n), guest.stackOf(to - 8n)];
  if (after === null) return false;
  if (before === after) return to > from;
  if (before !== null) left.add(before);
  return !left.has(after);
}

function readerOf(regs: bigint, guest: Unwinder): RegisterReader {
  return (name) => guest.word(regs + REGS[name]);
}
