import { setTimeout as sleep } from 'node:timers/promises';
import { GuestError } from '../errors.ts';
import type { Area } from '../journal/index.ts';
import type { GuestKernel, Registers } from '../kinds.ts';
import type { GuestMachine, PhysicalWrite } from '../machine/index.ts';
import { physicalWrites } from '../machine/pieces.ts';
import { fault } from '../support/fault.ts';
import { hex } from '../support/hex.ts';
import { isOver } from './threads.ts';
import { guestFirst } from './watch.ts';

/** A change of the guest's code: all changes of a switch happen in one stop or not at all. */
export interface Change {
  readonly name: string;
  readonly at: bigint;
  readonly expected: Uint8Array;
  readonly bytes: Uint8Array;
  /** Several instructions lie here: no thread may be between them. */
  readonly moved: boolean;
}

export interface SwitchResult {
  /** From asking QEMU to stop the VM until telling it to go on, microseconds. */
  readonly us: number;
  readonly stop: { readonly from: bigint; readonly to: bigint };
  readonly attempts: number;
}

const ATTEMPTS = 100;
const BETWEEN_ATTEMPTS_MS = 3;

/**
 * Switches the guest from one set of functions to another in one stop: checks that every place holds what is
 * expected and that no processor (and, where whole instructions are replaced, no thread) is inside of one,
 * writes, reads back, and lets the guest go on.
 *
 * @param code what has to be written in the same stop before the changes.
 * @throws GuestError `guest-site-changed` when a place holds something else, `guest-site-busy` when there was
 * somebody inside each time; nothing has been changed then. `guest-write-lost`.
 */
export async function switchCode(
  machine: GuestMachine,
  kernel: GuestKernel,
  code: readonly PhysicalWrite[],
  changes: readonly Change[],
): Promise<SwitchResult> {
  const writes = [...code, ...changes.flatMap(({ at, bytes }) => physicalWrites(kernel.space, at, bytes))];
  const moved = changes.some((change) => change.moved);
  if (moved) rehearse(kernel, changes);
  const attempt = moved
    ? () => decideInStop(machine, kernel, changes, writes)
    : () => decideBefore(machine, kernel, changes, writes);
  for (let attempts = 1; ; attempts++) {
    try {
      const stop = await attempt();
      return { us: Number(stop.to - stop.from) / 1000, attempts, stop };
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
      if (attempts === ATTEMPTS) throw busy(error.message);
      await sleep(BETWEEN_ATTEMPTS_MS);
    }
  }
}

type Stop = SwitchResult['stop'];

/** Whole instructions are replaced: the stacks of all threads have to be looked at while the VM stands. */
async function decideInStop(
  machine: GuestMachine,
  kernel: GuestKernel,
  changes: readonly Change[],
  writes: readonly PhysicalWrite[],
): Promise<Stop> {
  const from = process.hrtime.bigint();
  await machine.stop({
    reads: [],
    decide({ registers }) {
      fault('in-stop');
      for (const change of changes) requireFree(kernel, change, registers);
      return writes;
    },
  });
  const to = process.hrtime.bigint();
  await guestFirst();
  return { from, to };
}

/** A comparison of bytes and instruction pointers is all there is to decide. */
async function decideBefore(
  machine: GuestMachine,
  kernel: GuestKernel,
  changes: readonly Change[],
  writes: readonly PhysicalWrite[],
): Promise<Stop> {
  const pieces = changes.flatMap((change) =>
    physicalWrites(kernel.space, change.at, change.expected).map((piece) => ({ change, piece })),
  );
  const { outcome, from, to } = await machine.switch({
    wanted: pieces.map(({ piece }) => piece),
    avoided: changes.map(({ at, expected }) => ({ start: at, end: at + BigInt(expected.length) })),
    writes,
  });
  if (outcome.kind === 'busy') throw inside(changes[outcome.avoided]);
  if (outcome.kind === 'changed') {
    const { change, piece } = pieces[outcome.wanted] ?? {};
    throw changed(change, outcome.holds, piece?.bytes);
  }
  return { from, to };
}

const REHEARSALS = 20;

/** What is checked in the stop is checked before: it fails early, and the stop's code has been compiled. */
function rehearse(kernel: GuestKernel, changes: readonly Change[]): void {
  for (let count = 0; count < REHEARSALS; count++) {
    for (const change of changes) requireFree(kernel, { ...change, moved: false }, []);
  }
}

/** Somebody is where a change is to be made: the next attempt may find nobody there. */
class Busy extends Error {}

function requireFree(kernel: GuestKernel, change: Change, registers: readonly Registers[]): void {
  const { name, at, expected, moved } = change;
  const found = kernel.space.read(at, expected.length);
  if (!found.equals(expected)) throw changed(change, found.toString('hex'), expected);
  const area = { address: at, length: expected.length };
  for (const each of registers) {
    if (isInside(each.rip, area)) throw inside(change);
  }
  if (moved) requireNoFrameInside(kernel, name, area, registers);
}

/** Looks at the stacks of all threads: slow for a stop, and only needed where whole instructions move. */
function requireNoFrameInside(
  kernel: GuestKernel,
  name: string,
  area: Area,
  registers: readonly Registers[],
): void {
  const sleepers = kernel.tasks().filter((task) => task.onCpu === null && !isOver(task));
  const stacks = [
    ...registers.map((each) => ({ who: 'a processor', stack: kernel.runningStack(each) })),
    ...sleepers.map((task) => ({ who: `${task.comm} (${task.pid})`, stack: kernel.sleepingStack(task) })),
  ];
  for (const { who, stack } of stacks) {
    if (stack.frames.some(({ address }) => isInside(address, area))) {
      throw new Busy(`${who} was interrupted in the first instructions of ${name}`);
    }
    if (!stack.complete) throw new Busy(`it is not known whether ${who} is in ${name}: ${stack.reason}`);
  }
}

/** The first byte does not count: whoever is there runs what will be there. */
function isInside(rip: bigint, { address, length }: Area): boolean {
  return rip > address && rip < address + BigInt(length);
}

function inside(change: Change | undefined): Busy {
  return new Busy(`a processor runs the first instructions of ${change?.name}`);
}

function changed(change: Change | undefined, holds: string, expected: Uint8Array = Buffer.of()): GuestError {
  return new GuestError(
    'guest-site-changed',
    `${change?.name} has changed meanwhile: ${holds} is at ${hex(change?.at ?? 0n)}, not ${Buffer.from(expected).toString('hex')}.`,
    { hint: 'Somebody traces, probes or patches it. Nothing was written.' },
  );
}

function busy(why: string): GuestError {
  return new GuestError(
    'guest-site-busy',
    `The guest could not be switched in ${ATTEMPTS} attempts: ${why}.`,
    {
      hint: 'Nothing was changed. Try again when the guest is less busy.',
    },
  );
}
