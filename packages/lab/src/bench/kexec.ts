import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExuviaError, type HandoverKind, KERNEL_PHASES } from '@exuvia/contract';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient, askAgent, otherKernel } from '../host/agent.ts';
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
 * Runs everything that the benchmark measures on one lab host, one after the other. Every update that counts, and every
 * bare kexec of the floor, starts from a kernel that came up by kexec itself: that one lies where the next is copied to,
 * which an emulated machine feels (docs/measurements.md).
 */
export async function runKexecBenchmark(
  state: LabState,
  options: { runs: number },
  progress: Progress,
): Promise<KexecRuns> {
  await updateWithoutVms(state, progress);
  const khz = await tscKhz(state);
  const { kernel: from } = await askAgent(state, (client) => client.host());
  // Each series begins with the same kernel: the way there costs another time than the way back.
  const series = async (busyMemory: string, count: number) => {
    await destroyGuests(state);
    const { kernel } = await askAgent(state, (client) => client.host());
    if (kernel !== from) await updateWithoutVms(state, progress);
    return updateSeries(state, { busyMemory, count }, progress);
  };
  const updates = await series(SMALL, options.runs);
  const largeUpdates = await series(LARGE, options.runs);
  const [reboot] = await updateSeries(state, { busyMemory: SMALL, count: 1, handover: 'reboot' }, progress);
  if (reboot === undefined) throw new ExuviaError('bench-incomplete', 'There was no run of the baseline.');
  await destroyGuests(state);
  const floor = await floorSeries(state, { count: options.runs, khz }, progress);
  return { floor, updates, largeUpdates, reboot };
}

/** Updates back and forth between the two kernels, with fresh VMs. */
async function updateSeries(
  state: LabState,
  options: { busyMemory: string; count: number; handover?: HandoverKind },
  progress: Progress,
): Promise<UpdateRun[]> {
  const observer = await freshGuests(state, options.busyMemory, progress);
  const runs: UpdateRun[] = [];
  try {
    for (let index = 0; index < options.count; index++) {
      const kernel = await otherKernel(state);
      const request = options.handover === undefined ? { kernel } : { kernel, handover: options.handover };
      progress.say(`bench: run ${index + 1} of ${options.count}, busy ${options.busyMemory}`);
      const seen = await observedUpdate(state, observer, request, progress);
      runs.push(asRun(seen, options.busyMemory));
    }
  } finally {
    await observer.stop();
  }
  return runs;
}

async function floorSeries(
  state: LabState,
  { count, khz }: { count: number; khz: number },
  progress: Progress,
): Promise<FloorRun[]> {
  const work = await mkdtemp(join(tmpdir(), 'exuvia-floor-'));
  try {
    await prepareFloor(state, work);
    const runs: FloorRun[] = [];
    // The reboot of the baseline went before.
    const commandLine = await bootCommandLine(state);
    // From a kernel of the boot loader once: it is shown beside, and no figure is measured by it.
    const starts: FloorRun['start'][] = ['firmware', ...new Array<'kexec'>(count).fill('kexec')];
    for (const [index, start] of starts.entries()) {
      if (start === 'kexec') await updateWithoutVms(state, progress);
      const { kernel } = await askAgent(state, (client) => client.host());
      const to = await otherKernel(state);
      // The machine resets into the kernel that it jumps from: from there the update goes into the other one.
      const run = await floorRun(state, { to, next: kernel, start, commandLine, khz });
      progress.say(
        `bench: bare kexec ${index + 1} of ${starts.length} to ${to}, after ${start}: ${run.ms.toFixed(0)} ms`,
      );
      runs.push(run);
    }
    return runs;
  } finally {
    await rm(work, { recursive: true, force: true });
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
    overheadMs: ours.reduce((sum, { ms }) => sum + ms, 0),
    initramfsBytes: seen.report.initramfsBytes,
    phases: seen.report.phases,
  };
}
