import type { HandoverKind, PlanRequest } from '@exuvia/contract';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient, askAgent, otherKernel } from '../host/agent.ts';
import type { LabState } from '../host/state.ts';
import { HOST_QEMU } from '../image/qemus.ts';
import { observeLab } from '../observer/lab.ts';
import type { Observer } from '../observer/observer.ts';
import type { Progress } from '../support/progress.ts';
import { observedUpdate } from '../update/observed-update.ts';
import { footprintOf, type Growth, growthOf, type Sighting } from './growth.ts';

/** Handovers in turn, most of them by kexec. */
const KINDS = [
  ...['kexec', 'vmm', 'kexec', 'module', 'kexec'],
  ...['vmm', 'kexec', 'reboot', 'kexec', 'kexec'],
] as const satisfies readonly HandoverKind[];

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
  /** Between two moments after the same kind of update, under the same kernel and QEMUs; empty when there were no two. */
  readonly growth: readonly Growth[];
  /** What was counted at the start and after every update: the series that `growth` is taken from. */
  readonly sightings: readonly Sighting[];
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
  const sightings: Sighting[] = [];
  let vmsLost = 0;
  let integrityErrors = 0;
  let maxBlackoutMs = 0;
  let problem: string | null = null;
  let done = 0;
  try {
    sightings.push(await sighting(state, 'start'));
    while (done < options.updates && problem === null) {
      const kind = KINDS[done % KINDS.length] ?? 'kexec';
      progress.say(`soak: update ${done + 1} of ${options.updates}, by ${kind}`);
      const seen = await observedUpdate(state, observer, await wishFor(kind, state), progress);
      const { vms } = seen.observation;
      const alive = vms.filter(({ bootIdSame, sequenceMonotonic }) => bootIdSame && sequenceMonotonic);
      const lost = GUEST_NAMES.length - alive.length;
      const errors = vms.filter(({ integrity }) => integrity !== 'ok').length;
      vmsLost += lost;
      integrityErrors += errors;
      if (kind === 'kexec') {
        maxBlackoutMs = Math.max(maxBlackoutMs, ...vms.map(({ blackoutMs }) => blackoutMs));
      }
      progress.say(`soak: ${seen.update.state}; lost ${lost}, integrity errors ${errors}`);
      if (seen.update.state === 'completed') {
        done += 1;
        byHandover[kind] = (byHandover[kind] ?? 0) + 1;
        sightings.push(await sighting(state, kind));
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
    growth: growthOf(sightings),
    sightings,
  };
}

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
    const qemu = vm?.qemu?.startsWith('10.') === true ? '11.1' : HOST_QEMU;
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
