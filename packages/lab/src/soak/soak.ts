import type { HandoverKind } from '@exuvia/contract';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient, askAgent } from '../host/agent.ts';
import type { LabState } from '../host/state.ts';
import { observeLab } from '../observer/lab.ts';
import type { Observer } from '../observer/observer.ts';
import type { Progress } from '../support/progress.ts';
import { observedUpdate } from '../update/observed-update.ts';
import { type Footprint, footprintOf, type Growth, growthBetween } from './growth.ts';

/** One update of a soak, by its kind. A further handover is one more entry of {@link DEEDS}. */
interface Deed {
  readonly handover: HandoverKind;
  request(state: LabState): Promise<{ kernel: string; handover: HandoverKind }>;
}

/** In turn: many by kexec, now and then one by an ordinary reboot. */
const DEEDS: readonly Deed[] = [
  ...Array.from({ length: 9 }, (): Deed => toOtherKernel('kexec')),
  toOtherKernel('reboot'),
];

/** The updates after which everything is warm: what settles then is no growth. An even number: the same kernel. */
const WARM_UP = 2;

export interface SoakResult {
  /** Those that were completed. */
  readonly updates: number;
  /** Why there were no more. */
  readonly problem?: string;
  readonly byHandover: Readonly<Record<string, number>>;
  readonly vmsLost: number;
  readonly integrityErrors: number;
  /** The longest blackout of any VM in an update by kexec; one by reboot takes as long as the machine. */
  readonly maxBlackoutMs: number;
  readonly growth: readonly Growth[];
}

/**
 * Chains updates over one lab host whose guests work all the time, and counts what is lost and what grows. It ends
 * at the first update that is not completed, with what was found until then.
 */
export async function soak(
  state: LabState,
  options: { updates: number },
  progress: Progress,
): Promise<SoakResult> {
  const observer = await watchGuests(state);
  const byHandover: Record<string, number> = {};
  const footprints = new Map<number, Footprint>();
  let vmsLost = 0;
  let integrityErrors = 0;
  let maxBlackoutMs = 0;
  let problem: string | null = null;
  let done = 0;
  try {
    footprints.set(0, await footprintOf(state));
    while (done < options.updates && problem === null) {
      const deed = DEEDS[done % DEEDS.length] ?? toOtherKernel('kexec');
      progress.say(`soak: update ${done + 1} of ${options.updates}, by ${deed.handover}`);
      const seen = await observedUpdate(state, observer, await deed.request(state), progress);
      const { vms } = seen.observation;
      const alive = vms.filter(({ bootIdSame, sequenceMonotonic }) => bootIdSame && sequenceMonotonic);
      const lost = GUEST_NAMES.length - alive.length;
      const errors = vms.filter(({ integrity }) => integrity !== 'ok').length;
      vmsLost += lost;
      integrityErrors += errors;
      if (deed.handover === 'kexec') {
        maxBlackoutMs = Math.max(maxBlackoutMs, ...vms.map(({ blackoutMs }) => blackoutMs));
      }
      progress.say(`soak: ${seen.update.state}; lost ${lost}, integrity errors ${errors}`);
      if (seen.update.state === 'completed') {
        done += 1;
        byHandover[deed.handover] = (byHandover[deed.handover] ?? 0) + 1;
        footprints.set(done, await footprintOf(state));
      } else
        problem = `Update ${done + 1} is ${seen.update.state}: ${seen.update.reason ?? 'no reason given'}`;
    }
  } catch (error) {
    problem = `Update ${done + 1}: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await observer.stop();
  }
  return {
    updates: done,
    ...(problem === null ? {} : { problem }),
    byHandover,
    vmsLost,
    integrityErrors,
    maxBlackoutMs,
    growth: growthOf(footprints, done),
  };
}

/** Between two moments on the same kernel: an odd number of updates leaves the last one out. */
function growthOf(footprints: ReadonlyMap<number, Footprint>, updates: number): Growth[] {
  const end = updates - (updates % 2);
  const before = footprints.get(end > WARM_UP ? WARM_UP : 0);
  const after = footprints.get(end);
  return before === undefined || after === undefined ? [] : growthBetween(before, after);
}

function toOtherKernel(handover: HandoverKind): Deed {
  return {
    handover,
    async request(state) {
      const { kernel } = await askAgent(state, (client) => client.host());
      return { kernel: kernel === state.kernels.old ? state.kernels.new : state.kernels.old, handover };
    },
  };
}

async function watchGuests(state: LabState): Promise<Observer> {
  const client = await agentClient(state);
  try {
    await startGuests(client, GUEST_NAMES, { busyMemory: '512M' });
    const observer = observeLab(state, await client.host(), GUEST_NAMES);
    await observer.waitForBeats(240_000, 500);
    return observer;
  } finally {
    await client.close();
  }
}
