import { GuestError } from '../../errors.ts';
import {
  type Gdbserver,
  inSends,
  lookAnswers,
  lookScript,
  type PhysicalWrite,
  writeLost,
  writeScript,
  writtenAnswers,
} from '../gdb/script.ts';

/** A stop whose decision is known beforehand. */
export interface SwitchPlan {
  /** What guest-physical memory has to hold, byte for byte; pieces do not cross a page. */
  readonly wanted: readonly PhysicalWrite[];
  /** Where no vCPU's instruction pointer may be: strictly between these addresses. */
  readonly avoided: readonly { readonly start: bigint; readonly end: bigint }[];
  /** In this order; nothing is written when something is not as it has to be. */
  readonly writes: readonly PhysicalWrite[];
}

/** What came of it. Unless it is `done` nothing was written. */
type SwitchOutcome =
  | { readonly kind: 'done' }
  /** A vCPU was in that one of the avoided places. */
  | { readonly kind: 'busy'; readonly avoided: number }
  /** That one of the wanted pieces holds something else, in hexadecimal digits. */
  | { readonly kind: 'changed'; readonly wanted: number; readonly holds: string };

export interface SwitchResult {
  readonly outcome: SwitchOutcome;
  /** Whether the VM ran before, and runs again. */
  readonly ran: boolean;
  /** When QEMU was asked to stop the VM, and when it was told to go on; nanoseconds of CLOCK_MONOTONIC. */
  readonly from: bigint;
  readonly to: bigint;
}

/** The plan as native/guest-stop/exuvia-guest-stop.c reads it. */
export function renderPlan(gdbserver: Gdbserver, plan: SwitchPlan, vcpus: readonly number[]): string {
  const ranges = plan.wanted.map(({ physical, bytes }) => ({ physical, length: bytes.length }));
  const look = lookScript(gdbserver, vcpus, ranges);
  const places = lookAnswers(gdbserver, vcpus);
  return [
    `look ${look.answers} ${look.text}`,
    ...places.registers.map((place) => `position ${place}`),
    ...plan.avoided.map(({ start, end }) => `avoid ${start.toString(16)} ${end.toString(16)}`),
    ...plan.wanted.map(
      ({ bytes }, index) => `want ${places.memory + index} ${Buffer.from(bytes).toString('hex')}`,
    ),
    ...sendsOf(gdbserver, plan).flatMap((writes) => [
      `write ${writeScript(gdbserver, writes).answers} ${writeScript(gdbserver, writes).text}`,
      ...writtenAnswers(gdbserver, writes).map((text, index) => `expect ${index} ${text}`),
    ]),
    'go\n',
  ].join('\n');
}

function sendsOf(gdbserver: Gdbserver, { writes }: SwitchPlan): (readonly PhysicalWrite[])[] {
  return inSends(gdbserver, writes).filter((each) => each.length > 0);
}

/**
 * Reads what the program says of a plan.
 *
 * @param lines what came of it, and whether the VM ran and when.
 * @throws GuestError `guest-write-lost`; `guest-gdb-...` when the gdbstub was not understood or did not answer.
 */
export function readOutcome(
  gdbserver: Gdbserver,
  plan: SwitchPlan,
  [said = '', facts = '']: readonly string[],
): SwitchResult {
  const [standing, from = '0', to = '0'] = facts.split(' ');
  const times = { ran: standing === 'ran', from: BigInt(from), to: BigInt(to) };
  const [word = '', first = '', second = '', ...rest] = said.split(' ');
  switch (word) {
    case 'done':
      return { outcome: { kind: 'done' }, ...times };
    case 'busy':
      return { outcome: { kind: 'busy', avoided: Number(first) }, ...times };
    case 'changed':
      return { outcome: { kind: 'changed', wanted: Number(first), holds: second }, ...times };
    case 'lost':
      throw writeLost(
        gdbserver,
        sendsOf(gdbserver, plan)[Number(first)] ?? [],
        Number(second),
        rest.join(' '),
      );
    default:
      throw failure(said.replace(/^failed /, ''));
  }
}

function failure(why: string): GuestError {
  if (why === 'timeout') return new GuestError('guest-gdb-timeout', "QEMU's gdbstub did not answer in time.");
  if (why === 'closed') return new GuestError('guest-gdb-closed', "QEMU's gdbstub hung up.");
  return new GuestError('guest-gdb-protocol', `QEMU's gdbstub was not understood: ${why}`);
}
