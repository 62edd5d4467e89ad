import type { PatchPlan } from '../journal/index.ts';
import type { GuestKernel } from '../kinds.ts';
import { JUMP, NOP5 } from '../support/x86.ts';
import type { Change } from './switch.ts';

/** What applying a patch changes in the guest's code. */
export function forward({ id, sites, restores }: PatchPlan): Change[] {
  return [
    ...sites.map(({ name, at, expected, jump }) => change(name, at, expected, jump)),
    ...restores.map(({ at, expected, original }) =>
      change(`a function that only what ${id} replaces had patched`, at, expected, original),
    ),
  ];
}

/** What rolling it back changes. */
export function backward(kernel: GuestKernel, { sites }: PatchPlan): Change[] {
  const all = sites.map(({ name, at, jump, original }) => change(name, at, jump, original));
  return thereOf(kernel, all);
}

/** What takes changes back that have been made. */
export function inverse(changes: readonly Change[]): Change[] {
  return changes.map(({ name, at, expected, bytes }) => change(name, at, bytes, expected));
}

/** Those whose place is there: functions of modules that have been unloaded are gone, and their jumps too. */
export function thereOf(kernel: GuestKernel, changes: readonly Change[]): Change[] {
  return changes.filter(({ at, bytes }) => isMapped(kernel, at, bytes.length));
}

/** Those changes that the guest's code has. */
export function madeOf(kernel: GuestKernel, changes: readonly Change[]): Change[] {
  return changes.filter(({ at, bytes }) => holds(kernel, at, bytes));
}

/** Of a patch that was rolled back, a function with its jump: the guest was restored from a snapshot in which it had it. */
export function siteThatIsBack(
  kernel: GuestKernel,
  { sites }: PatchPlan,
): PatchPlan['sites'][number] | undefined {
  return sites.find(({ at, jump }) => holds(kernel, at, jump));
}

/** False also for a function that is not mapped any more: its module has been unloaded. */
export function holds(kernel: GuestKernel, at: bigint, bytes: Uint8Array): boolean {
  return isMapped(kernel, at, bytes.length) && kernel.space.read(at, bytes.length).equals(bytes);
}

function change(name: string, at: bigint, expected: Uint8Array, bytes: Uint8Array): Change {
  // Behind the first byte of a jump or of the one NOP there is nothing that a thread could be in.
  const moved = expected[0] !== JUMP && !NOP5.equals(expected);
  return { name, at, expected, bytes, moved };
}

export function isMapped({ space }: GuestKernel, address: bigint, length: number): boolean {
  return [address, address + BigInt(length - 1)].every((end) => space.translate(end) !== null);
}
