import { PHASES, type PhaseName, type PhaseTiming } from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import type { Timings } from '../shared/report.ts';
import { parseStamps, type Stamps, tscKhz } from '../shared/stamp-lines.ts';
import { recordFile } from './layout.ts';

/** A transfer is short, and so are its times: readings a millisecond apart tell the rate to a thousandth. */
const NEAR_NS = 1_000_000n;

/** The phases that a VM went through, in ms; the others take no time when the kernel runs on. */
type VmTimes = Readonly<Partial<Record<PhaseName, number>>>;

/**
 * The times of an update that replaced QEMUs. VMs are moved one after the other, so the phases of the host are those of
 * the VM that stood still longest; their sum is its pause. `null` when no record was written.
 */
export async function vmmTimings(context: StepContext): Promise<Timings | null> {
  const known = new Map<string, VmTimes>();
  for (const { name } of context.plan.vms) {
    const times = timesOf((await readIfExists(recordFile(context, name))) ?? '');
    if (times !== null) known.set(name, times);
  }
  const slowest = [...known.values()].sort((a, b) => total(b) - total(a))[0];
  if (slowest === undefined) return null;
  return {
    phases: allPhases(slowest),
    perVm: new Map([...known].map(([name, times]) => [name, phasesOf(times)])),
    totalMs: total(slowest),
    totalIsApart: false,
    pausedMs: new Map([...known].map(([name, times]) => [name, total(times)])),
  };
}

/** Pure: reads a record; `null` when it is none. */
export function timesOf(record: string): VmTimes | null {
  const inPlace = /^in-place ([0-9. ]+)$/m.exec(record)?.[1]?.split(' ').map(Number);
  if (inPlace !== undefined) {
    const [begin = 0, saved = 0, ended = 0, restored = 0] = inPlace;
    return { 'VM save': saved - begin, 'QEMU shutdown': ended - saved, 'VM restore': restored - ended };
  }
  return transferTimes(parseStamps(record));
}

/**
 * A transfer's state is loaded while it is saved: both are `VM save`. `VM suspend` is what the old QEMU needs from its event
 * STOP until it begins to send the devices' state.
 */
function transferTimes(stamps: Stamps): VmTimes | null {
  const [first, last] = [stamps.clocks[0], stamps.clocks.at(-1)];
  const at = (name: string) => stamps.stamps.find((stamp) => stamp.name === name)?.tsc;
  const khz = first === undefined || last === undefined ? null : tscKhz(first, last, NEAR_NS);
  const [stop, restored, resumed] = [at('vm-stop-event'), at('restored'), at('resumed')];
  if (khz === null || stop === undefined || restored === undefined || resumed === undefined) return null;
  const ms = (from: bigint, to: bigint) => Math.max(0, Number(to - from) / khz);
  const suspended = at('vm-suspended') ?? stop;
  return {
    'VM suspend': ms(stop, suspended),
    'VM save': ms(suspended, restored),
    'VM resume': ms(restored, resumed),
  };
}

function total(times: VmTimes): number {
  return Object.values(times).reduce((sum, ms) => sum + ms, 0);
}

function phasesOf(times: VmTimes): PhaseTiming[] {
  return PHASES.flatMap((name) => {
    const ms = times[name];
    return ms === undefined ? [] : [{ name, ms }];
  });
}

function allPhases(times: VmTimes): PhaseTiming[] {
  return PHASES.map((name) => ({ name, ms: times[name] ?? 0 }));
}
