import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { z } from 'zod';
import { agentClient } from '../host/agent.ts';
import { labCopy, labRun } from '../host/ssh.ts';
import type { LabState } from '../host/state.ts';
import { newQemuOf } from '../image/qemus.ts';
import type { Progress } from '../support/progress.ts';
import { type ObservedUpdate, observedUpdate } from '../update/observed-update.ts';
import { destroyGuests, freshGuests } from './kexec.ts';

/** One move of `busy` from the old QEMU into the new one. */
interface VmmRun {
  readonly from: string;
  readonly to: string;
  readonly busyMemory: string;
  readonly blackoutMs: number;
  readonly stopToResumeMs: number;
  /** The observer's own longest pause. */
  readonly observerPauseMs: number;
}

const liveMigrationSchema = z.object({
  downtimeMs: z.number(),
  totalMs: z.number(),
  /** It ended within the downtime that QEMU allows by default; false: any downtime had to be allowed. */
  converged: z.boolean(),
});
/** What QEMU's own local live migration of the same guest took, RAM copied. */
export type LiveMigration = z.infer<typeof liveMigrationSchema>;

export interface VmmRuns {
  readonly updates: readonly VmmRun[];
  readonly largeUpdates: readonly VmmRun[];
  readonly liveMigrations: readonly LiveMigration[];
}

/** One guest, which even an emulated host can let beat at 1 kHz: what is measured here are tens of milliseconds. */
const BUSY = { names: ['busy'], steadyBeat: true };
const METHOD = 'cpr-transfer';
const SCRIPT = join(import.meta.dirname, 'on-host/live-migration.mjs');
const REMOTE = '/var/lib/exuvia/lab/live-migration.mjs';
const NODE = '/usr/lib/exuvia/node/bin/node';

/** Everything that the benchmark measures, on one lab host, one after the other. */
export async function runVmmBenchmark(
  state: LabState,
  options: { runs: number },
  progress: Progress,
): Promise<VmmRuns> {
  const updates: VmmRun[] = [];
  const largeUpdates: VmmRun[] = [];
  // The sizes take turns: what else changes from minute to minute is the same for both.
  for (let index = 0; index < options.runs; index++) {
    progress.say(`bench: run ${index + 1} of ${options.runs}`);
    updates.push(await oneRun(state, '512M', progress));
    largeUpdates.push(await oneRun(state, '1G', progress));
  }
  const liveMigrations = await liveMigrationSeries(state, options.runs, progress);
  return { updates, largeUpdates, liveMigrations };
}

/** Moves a fresh guest forth, by the cheapest method, which must be {@link METHOD}. */
async function oneRun(state: LabState, busyMemory: string, progress: Progress): Promise<VmmRun> {
  const observer = await freshGuests(state, busyMemory, progress, BUSY);
  try {
    return asRun(
      await observedUpdate(state, observer, { qemu: newQemuOf(state), handover: 'vmm' }, progress),
      busyMemory,
    );
  } finally {
    await observer.stop();
  }
}

/** @throws ExuviaError `bench-update-failed` for what is not a move by cpr-transfer that the guest has lived through. */
export function asRun(seen: ObservedUpdate, busyMemory: string): VmmRun {
  const vm = seen.observation.vms.find(({ name }) => name === 'busy');
  const stopToResumeMs = seen.report.vms.find(({ name }) => name === 'busy')?.pausedMs ?? null;
  const wrong = whatIsWrong(seen, vm);
  if (vm === undefined || stopToResumeMs === null || wrong !== null) {
    throw new ExuviaError(
      'bench-update-failed',
      `Update ${seen.update.id} does not count: ${wrong ?? 'its report has no pause of busy'}.`,
    );
  }
  const { from, to } = seen.update;
  const { observerPauseMs } = seen;
  return { from, to, busyMemory, blackoutMs: vm.blackoutMs, stopToResumeMs, observerPauseMs };
}

function whatIsWrong(
  { update, plan }: ObservedUpdate,
  vm: ObservedUpdate['observation']['vms'][number] | undefined,
): string | null {
  if (update.state !== 'completed') return update.reason ?? update.state;
  const method = plan.vms.find(({ name }) => name === 'busy')?.method ?? 'no method';
  if (method !== METHOD) return `busy moved by ${method}, not by ${METHOD}`;
  if (vm === undefined) return 'nothing was seen of busy';
  if (!vm.bootIdSame || !vm.sequenceMonotonic) return 'busy was started again';
  return vm.integrity === 'ok' ? null : `the integrity of busy is ${vm.integrity}`;
}

/** Each with a fresh guest: the one that was migrated is no VM of the agent's any more. */
async function liveMigrationSeries(
  state: LabState,
  count: number,
  progress: Progress,
): Promise<LiveMigration[]> {
  await labCopy(state, SCRIPT, REMOTE);
  const runs: LiveMigration[] = [];
  for (let index = 0; index < count; index++) {
    const observer = await freshGuests(state, '512M', progress, BUSY);
    await observer.stop();
    const { stdout } = await labRun(state, `${NODE} ${REMOTE} busy`, { timeoutMs: 300_000 });
    const run = liveMigrationSchema.parse(JSON.parse(stdout.split('\n').at(-1) ?? ''));
    const forced = run.converged ? '' : ', which did not end by itself';
    progress.say(`bench: live migration ${index + 1} of ${count}: ${run.totalMs.toFixed(0)} ms${forced}`);
    runs.push(run);
    const client = await agentClient(state);
    await client.destroyVm('busy').finally(() => client.close());
  }
  await destroyGuests(state);
  return runs;
}
