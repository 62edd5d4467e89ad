import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExuviaError, type HandoverKind, KERNEL_PHASES } from '@exuvia/contract';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient, askAgent, otherKernel } from '../host/agent.ts';
import { configureAgent } from '../host/configure-agent.ts';
import type { LabState } from '../host/state.ts';
import { observeLab } from '../observer/lab.ts';
import type { Observer } from '../observer/observer.ts';
import type { Progress } from '../support/progress.ts';
import { followToEnd } from '../update/follow.ts';
import { type ObservedUpdate, observedUpdate } from '../update/observed-update.ts';
import { bootCommandLine, type FloorRun, floorRun, prepareFloor, tscKhz } from './floor.ts';

/** One update as it counts in the benchmark. */
interface UpdateRun {
  readonly from: string;
  readonly to: string;
  readonly handover: HandoverKind;
  readonly busyMemory: string;
  /** Blackout of the slowest VM, seen from outside. */
  readonly blackoutMs: number;
  readonly busyBlackoutMs: number;
  /** The observer's own longest pause. */
  readonly observerPauseMs: number;
  /** All phases that are not kernel shutdown or kernel startup. */
  readonly overheadMs: number;
  readonly initramfsBytes: number | null;
  readonly phases: readonly { readonly name: string; readonly ms: number }[];
}

export interface KexecRuns {
  readonly floor: readonly FloorRun[];
  readonly updates: readonly UpdateRun[];
  readonly largeUpdates: readonly UpdateRun[];
  readonly reboot: UpdateRun;
}

const GUEST_BOOT_LIMIT_MS = 240_000;
const PLAN_LIMIT_MS = 60_000;
const SMALL = '512M';
const LARGE = '1G';

/**
 * Runs everything that the benchmark measures on one lab host, one after the other: rounds of one bare kexec and one
 * update with each size, all three from the same kernel into the same other one, so that what changes from minute to
 * minute is the same for them. Every one of them starts from a kernel that came up by kexec itself: that one lies
 * where the next is copied to, which an emulated machine feels (docs/measurements.md).
 */
export async function runKexecBenchmark(
  state: LabState,
  options: { runs: number },
  progress: Progress,
): Promise<KexecRuns> {
  const work = await mkdtemp(join(tmpdir(), 'exuvia-floor-'));
  try {
    await prepareFloor(state, work);
    const commandLine = await bootCommandLine(state);
    await updateWithoutVms(state, progress);
    const khz = await tscKhz(state);
    const bareKexec = async (start: FloorRun['start']) => {
      const to = await otherKernel(state);
      const run = await floorRun(state, { to, start, commandLine, khz });
      progress.say(`bench: bare kexec to ${to}, after ${start}: ${run.ms.toFixed(0)} ms`);
      return run;
    };
    const floor: FloorRun[] = [];
    const updates: UpdateRun[] = [];
    const largeUpdates: UpdateRun[] = [];
    for (let index = 0; index < options.runs; index++) {
      progress.say(`bench: round ${index + 1} of ${options.runs}`);
      // It ends in the other kernel, from which an update leads back.
      floor.push(await bareKexec('kexec'));
      for (const [busyMemory, runs] of [[SMALL, updates] as const, [LARGE, largeUpdates] as const]) {
        await updateWithoutVms(state, progress);
        runs.push(await oneUpdate(state, { busyMemory }, progress));
        await destroyGuests(state);
      }
    }
    // The baseline saves the VMs to disk, and does nothing for a next one.
    await configureAgent(state, 'rebootStore', 'disk');
    const reboot = await oneUpdate(state, { busyMemory: SMALL, handover: 'reboot' }, progress);
    await destroyGuests(state);
    // From a kernel of the boot loader once: it is shown beside, and no figure is measured by it.
    return { floor: [await bareKexec('firmware'), ...floor], updates, largeUpdates, reboot };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Into the other kernel, with fresh VMs. */
async function oneUpdate(
  state: LabState,
  { busyMemory, handover }: { busyMemory: string; handover?: HandoverKind },
  progress: Progress,
): Promise<UpdateRun> {
  const observer = await freshGuests(state, busyMemory, progress);
  try {
    const kernel = await otherKernel(state);
    const request = handover === undefined ? { kernel } : { kernel, handover };
    const run = asRun(await observedUpdate(state, observer, request, progress), busyMemory);
    const [blackout, ours] = [run.blackoutMs, run.overheadMs].map((ms) => ms.toFixed(0));
    progress.say(
      `bench: update by ${run.handover} to ${kernel}, busy with ${busyMemory}: ${blackout} ms, ${ours} of them not the kernel's`,
    );
    return run;
  } finally {
    await observer.stop();
  }
}

/** VMs that have just been started, all others gone, and an observer that has seen them beat. */
export async function freshGuests(
  state: LabState,
  busyMemory: string,
  progress: Progress,
  { names = GUEST_NAMES, steadyBeat = false }: { names?: readonly string[]; steadyBeat?: boolean } = {},
): Promise<Observer> {
  await destroyGuests(state);
  const client = await agentClient(state);
  try {
    await progress.step(`bench: starting the VMs, busy with ${busyMemory}`, () =>
      startGuests(client, names, { busyMemory, steadyBeat }),
    );
    const observer = observeLab(state, await client.host(), names);
    await observer.waitForBeats(GUEST_BOOT_LIMIT_MS, 500);
    return observer;
  } finally {
    await client.close();
  }
}

export async function destroyGuests(state: LabState): Promise<void> {
  const client = await agentClient(state);
  try {
    for (const vm of await client.vms()) {
      await client.stopVm(vm.name, 5000);
      await client.destroyVm(vm.name);
    }
  } finally {
    await client.close();
  }
}

/** Brings up the other kernel by kexec on a host without VMs. */
async function updateWithoutVms(state: LabState, progress: Progress): Promise<void> {
  const kernel = await otherKernel(state);
  const started = await askAgent(
    state,
    async (client) => {
      const plan = await client.makePlan({ kernel, handover: 'kexec' });
      return client.startUpdate({ plan: plan.id });
    },
    PLAN_LIMIT_MS,
  );
  const { state: end, reason } = await followToEnd(state, started.id, progress);
  if (end === 'completed') return;
  throw new ExuviaError(
    'bench-update-failed',
    `The update without VMs ${started.id} has ${end}: ${reason ?? ''}`,
  );
}

function asRun(seen: ObservedUpdate, busyMemory: string): UpdateRun {
  const lost = seen.observation.vms.filter(
    (vm) => !vm.bootIdSame || !vm.sequenceMonotonic || vm.integrity !== 'ok',
  );
  if (seen.update.state !== 'completed' || lost.length > 0) {
    const what =
      lost.length === 0
        ? (seen.update.reason ?? seen.update.state)
        : `lost ${lost.map(({ name }) => name).join(', ')}`;
    throw new ExuviaError('bench-update-failed', `Update ${seen.update.id} does not count: ${what}.`);
  }
  const kernelPhases: readonly string[] = KERNEL_PHASES;
  const ours = seen.report.phases.filter(({ name }) => !kernelPhases.includes(name));
  return {
    from: seen.update.from,
    to: seen.update.to,
    handover: seen.update.handover,
    busyMemory,
    blackoutMs: Math.max(...seen.observation.vms.map(({ blackoutMs }) => blackoutMs)),
    busyBlackoutMs: seen.observation.vms.find(({ name }) => name === 'busy')?.blackoutMs ?? Number.NaN,
    observerPauseMs: seen.observerPauseMs,
    overheadMs: ours.reduce((sum, { ms }) => sum + ms, 0),
    initramfsBytes: seen.report.initramfsBytes,
    phases: seen.report.phases,
  };
}
