import { ExuviaError, type HandoverKind, type Observation, type PlanRequest } from '@exuvia/contract';
import { guestOfRole } from '../guests/specs.ts';
import { agentClient, otherKernel } from '../host/agent.ts';
import type { LabState } from '../host/state.ts';
import { HOST_QEMU, newQemuOf } from '../image/qemus.ts';
import { observeLab } from '../observer/lab.ts';
import type { Observer } from '../observer/observer.ts';
import type { Progress } from '../support/progress.ts';
import { observedUpdate } from '../update/observed-update.ts';
import { destroyGuests } from './kexec.ts';

/** When a VM stood still, on the observer's clock. */
export interface Blackout {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** One update of one VM or of many; the blackouts in the order of the VMs' priority. */
export interface ManyRun {
  readonly handover: HandoverKind;
  readonly blackouts: readonly Blackout[];
  /** The longest time in which the observer itself did not look. */
  readonly observerPauseMs: number;
}

export interface ManyRuns {
  readonly single: readonly ManyRun[];
  readonly many: readonly ManyRun[];
}

const BOOT_LIMIT_MS = 600_000;
const MEMORY = '112M';

/** The same updates of one VM and of many, by kexec and of QEMU. */
export async function runManyBenchmark(
  state: LabState,
  options: { runs: number; guests: number },
  progress: Progress,
): Promise<ManyRuns> {
  const single = await series(state, 1, options.runs, progress);
  const many = await series(state, options.guests, options.runs, progress);
  await destroyGuests(state);
  return { single, many };
}

async function series(state: LabState, guests: number, runs: number, progress: Progress): Promise<ManyRun[]> {
  const names = Array.from({ length: guests }, (_, index) => `guest-${index + 1}`);
  const observer = await started(state, names, progress);
  const found: ManyRun[] = [];
  const once = async (request: PlanRequest, handover: HandoverKind) => {
    progress.say(`bench: ${guests} VMs by ${handover}`);
    const seen = await observedUpdate(state, observer, { ...request, handover }, progress);
    const { state: end, reason } = seen.update;
    if (end !== 'completed') {
      throw new ExuviaError(
        'bench-update-failed',
        `Update ${seen.update.id} does not count: ${reason ?? end}.`,
      );
    }
    const { observerPauseMs, observation } = seen;
    return { handover, blackouts: blackoutsOf(observation.vms, names), observerPauseMs };
  };
  try {
    for (let run = 0; run < runs; run++) {
      found.push(await once({ qemu: newQemuOf(state), parallel: guests }, 'vmm'));
      // The way back goes beside the memory: another method, which is not compared.
      await once({ qemu: HOST_QEMU, parallel: guests }, 'vmm');
    }
    for (let run = 0; run < runs; run++) {
      found.push(await once({ kernel: await otherKernel(state) }, 'kexec'));
    }
  } finally {
    await observer.stop();
  }
  return found;
}

/** Each VM's largest gap; `gaps` has it with its beginning. */
export function blackoutsOf(vms: Observation['vms'], names: readonly string[]): Blackout[] {
  return names.map((name) => {
    const vm = vms.find((seen) => seen.name === name);
    const gap = vm?.gaps.find(([, ms]) => ms === vm.blackoutMs);
    if (vm === undefined || gap === undefined || vm.integrity !== 'ok') {
      throw new ExuviaError('bench-update-failed', `VM ${name} was not seen to live on.`);
    }
    return { name, fromMs: gap[0], toMs: gap[0] + gap[1] };
  });
}

/** Starts them one after the other: an emulated host that boots many at once takes longer in all. */
async function started(state: LabState, names: readonly string[], progress: Progress): Promise<Observer> {
  await destroyGuests(state);
  const client = await agentClient(state);
  try {
    return await progress.step(`bench: starting ${names.length} VMs`, async () => {
      for (const [index, name] of names.entries()) {
        await client.createVm(guestOfRole('tiny', { name, memory: MEMORY, priority: 10 * (index + 1) }));
        await client.startVm(name);
      }
      const observer = observeLab(state, await client.host(), names);
      await observer.waitForBeats(BOOT_LIMIT_MS, 200);
      return observer;
    });
  } finally {
    await client.close();
  }
}
