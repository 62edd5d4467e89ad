import type { HandoverKind, PlanRequest } from '@exuvia/contract';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient, askAgent } from '../host/agent.ts';
import type { LabState } from '../host/state.ts';
import { HOST_QEMU } from '../image/qemus.ts';
import { observeLab } from '../observer/lab.ts';
import type { Observer } from '../observer/observer.ts';
import type { Progress } from '../support/progress.ts';
import { observedUpdate } from '../update/observed-update.ts';
import { type Footprint, footprintOf, type Growth, growthBetween } from './growth.ts';

/** One update of a soak, by its kind. */
interface Deed {
  readonly handover: HandoverKind;
  request(state: LabState): Promise<PlanRequest>;
}

const kexec = toOtherKernel('kexec');

/** In turn: each kind after the others, most of them by kexec. */
const DEEDS: readonly Deed[] = [
  kexec,
  toOtherQemu(),
  kexec,
  { handover: 'module', request: async () => ({ modules: ['kvm'], handover: 'module' }) },
  kexec,
  toOtherQemu(),
  kexec,
  toOtherKernel('reboot'),
  kexec,
  kexec,
];

/** The updates after which everything is warm: what settles then is no growth. */
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
  const footprints: Sighting[] = [];
  let vmsLost = 0;
  let integrityErrors = 0;
  let maxBlackoutMs = 0;
  let problem: string | null = null;
  let done = 0;
  try {
    footprints.push(await sighting(state));
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
        footprints.push(await sighting(state));
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
    growth: growthOf(footprints),
  };
}

/** What there is, and under which kernel and QEMUs: only equals can be compared. */
interface Sighting {
  readonly under: string;
  readonly footprint: Footprint;
}

async function sighting(state: LabState): Promise<Sighting> {
  const { kernel } = await askAgent(state, (client) => client.host());
  const qemus = (await askAgent(state, (client) => client.vms())).map(({ qemu }) => qemu);
  return { under: [kernel, ...qemus].join(' '), footprint: await footprintOf(state) };
}

/** Between the two equal moments that are furthest apart, once it is warm. */
function growthOf(sightings: readonly Sighting[]): Growth[] {
  const warm = sightings.length > WARM_UP + 1 ? sightings.slice(WARM_UP) : sightings;
  const spans = warm.map(({ under }, first) => {
    const last = warm.findLastIndex((other) => other.under === under);
    return { first, last, length: last - first };
  });
  const longest = spans.reduce((a, b) => (b.length > a.length ? b : a), { first: 0, last: 0, length: 0 });
  const [before, after] = [warm[longest.first], warm[longest.last]];
  if (longest.length === 0 || before === undefined || after === undefined) return [];
  return growthBetween(before.footprint, after.footprint);
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

/** The host's own QEMU and the one that is unpacked beside it. */
function toOtherQemu(): Deed {
  return {
    handover: 'vmm',
    async request(state) {
      const [vm] = await askAgent(state, (client) => client.vms());
      const qemu = vm?.qemu?.startsWith('10.') === true ? '11.1' : HOST_QEMU;
      return { qemu, handover: 'vmm', parallel: GUEST_NAMES.length };
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
