import type { HandoverKind, PlanRequest } from '@exuvia/contract';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient, askAgent, otherKernel } from '../host/agent.ts';
import type { LabState } from '../host/state.ts';
import { HOST_QEMU, newQemuOf } from '../image/qemus.ts';
import { fatesSince } from '../observer/fates.ts';
import { observeLab } from '../observer/lab.ts';
import type { Observer } from '../observer/observer.ts';
import type { Progress } from '../support/progress.ts';
import { type ObservedUpdate, observedUpdate } from '../update/observed-update.ts';
import { footprintOf, growthOf, type Sighting } from './growth.ts';
import { type LongestBlackouts, longestOf, NO_BLACKOUTS, type SoakResult, withBlackouts } from './result.ts';

/** Handovers in turn, most of them by kexec. */
const KINDS = [
  ...['kexec', 'vmm', 'kexec', 'module', 'kexec'],
  ...['vmm', 'kexec', 'reboot', 'kexec', 'kexec'],
] as const satisfies readonly HandoverKind[];

/** For a sign of life of each VM after an update. */
const ALIVE_LIMIT_MS = 60_000;

/**
 * Chains updates over one lab host whose guests work all the time, and counts what is lost and what grows. It ends
 * at the first update that is not completed or has lost a VM, with what was found until then.
 */
export async function soak(
  state: LabState,
  options: { updates: number },
  progress: Progress,
): Promise<SoakResult> {
  const observer = await watchGuests(state);
  const byHandover: Record<string, number> = {};
  const sightings: Sighting[] = [];
  let vmsLost = 0;
  let integrityErrors = 0;
  let maxBlackoutMsByHandover: LongestBlackouts = NO_BLACKOUTS;
  let problem: string | null = null;
  let done = 0;
  try {
    sightings.push(await sighting(state, 'start'));
    while (done < options.updates && problem === null) {
      const kind = KINDS[done % KINDS.length] ?? 'kexec';
      progress.say(`soak: update ${done + 1} of ${options.updates}, by ${kind}`);
      const { now: from } = await observer.peek();
      const seen = await attempt(state, observer, kind, progress);
      // Also of an update that failed: that is when VMs are lost.
      const { lost, damaged } = await fatesSince(observer, from, GUEST_NAMES, ALIVE_LIMIT_MS);
      vmsLost += lost.length;
      integrityErrors += damaged.length;
      progress.say(`soak: lost ${lost.length}, integrity errors ${damaged.length}`);
      if (seen instanceof Error) problem = `Update ${done + 1}: ${seen.message}`;
      else if (seen.update.state !== 'completed')
        problem = `Update ${done + 1} is ${seen.update.state}: ${seen.update.reason ?? 'no reason given'}`;
      else {
        done += 1;
        byHandover[kind] = (byHandover[kind] ?? 0) + 1;
        maxBlackoutMsByHandover = withBlackouts(maxBlackoutMsByHandover, kind, blackouts(seen));
        if (lost.length > 0) problem = `Update ${done} has lost ${lost.join(', ')}.`;
        else sightings.push(await sighting(state, kind));
      }
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
    maxBlackoutMs: longestOf(maxBlackoutMsByHandover),
    maxBlackoutMsByHandover,
    growth: growthOf(sightings),
    sightings,
  };
}

/** One update, or why there was none. */
async function attempt(
  state: LabState,
  observer: Observer,
  kind: (typeof KINDS)[number],
  progress: Progress,
): Promise<ObservedUpdate | Error> {
  try {
    return await observedUpdate(state, observer, await wishFor(kind, state), progress);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const blackouts = ({ observation }: ObservedUpdate) => observation.vms.map(({ blackoutMs }) => blackoutMs);

/** A QEMU's heap depends on how its VM came into it: started, moved or restored. */
async function sighting(state: LabState, after: HandoverKind | 'start'): Promise<Sighting> {
  const { kernel } = await askAgent(state, (client) => client.host());
  const qemus = (await askAgent(state, (client) => client.vms())).map(({ qemu }) => qemu);
  return { under: [after, kernel, ...qemus].join(' '), footprint: await footprintOf(state) };
}

/** What to ask for, so that an update of this kind has something to do: the other kernel, the other QEMU. */
async function wishFor(kind: (typeof KINDS)[number], state: LabState): Promise<PlanRequest> {
  if (kind === 'module') return { modules: ['kvm'], handover: kind };
  if (kind === 'vmm') {
    const [vm] = await askAgent(state, (client) => client.vms());
    const newQemu = newQemuOf(state);
    const qemu = vm?.qemu === newQemu ? HOST_QEMU : newQemu;
    return { qemu, handover: kind, parallel: GUEST_NAMES.length };
  }
  return { kernel: await otherKernel(state), handover: kind };
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
