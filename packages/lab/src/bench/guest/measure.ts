import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AttachTimes, measureAttach, openPatches, type Patches } from '@exuvia/guest';
import { run } from '@exuvia/sys';
import { FINEBEAT_OFFSET, type KernelGuest, startKernelGuest } from '../../kernel-guests/index.ts';
import type { Progress } from '../../support/progress.ts';
import { type BenchPatch, buildBenchPatches, IDENTICAL, PATCHED_TEXT, VISIBLE } from './bed.ts';
import { type Gap, type GapObserver, gapAround, observeGaps, SHORTEST_SEEN_US } from './observer.ts';

/** What was measured, unjudged. Times in microseconds, but for `applyMs`. */
export interface GuestMeasurements {
  readonly attach: AttachTimes;
  readonly pauses: readonly number[];
  readonly emptyStops: readonly number[];
  readonly applyMs: readonly number[];
  /** Nanoseconds a call, of the kernel's own function and, directly afterwards, of the same one as a patch. */
  readonly plainNs: readonly number[];
  readonly patchedNs: readonly number[];
  readonly toggles: number;
  /** Wrong results that the load has seen, and lines of the guest's kernel that tell of a crash. */
  readonly wrongResults: number;
  readonly oopses: number;
  /** Bytes of the guest's code room that have ever held a patch: must not grow. */
  readonly arenaBytes: { readonly afterFirst: number; readonly atEnd: number };
  readonly scheduling: string;
}

export interface GuestBenchOptions {
  /** Pairs of an apply and a rollback that are measured. */
  readonly pairs: number;
  /** Applies and rollbacks in all. */
  readonly toggles: number;
}

const CALLS = 50_000;
const ROUNDS = 20;
/** Above the VM, below the tool: QEMU's main thread answers as soon as it is asked. */
const QEMU_PRIORITY = '4';
const WAIT_MS = 30_000;

/** Measures patching of a Debian 6.12 under TCG with 2 vCPUs. */
export async function measureGuest(
  options: GuestBenchOptions,
  progress: Progress,
): Promise<GuestMeasurements> {
  const [visible, identical] = await buildBenchPatches([VISIBLE, IDENTICAL], progress);
  if (visible === undefined || identical === undefined) throw new Error('No patches were built.');
  const guest = await progress.step('bench: a guest', () => startKernelGuest({ kernel: '6.12', cpus: 2 }));
  const attach = await progress.step('bench: attaching', () => measureAttach(guest.qmp));
  const state = await mkdtemp(join(tmpdir(), 'exuvia-bench-state-'));
  const patches = await openPatches(guest.qmp, { state });
  try {
    // Of QEMU's threads only the first, which has the process' number: its vCPUs stay ordinary.
    await run('chrt', ['--fifo', '--pid', QEMU_PRIORITY, String(guest.pid)]);
    await pinVcpus(patches);
    const overhead = await progress.step('bench: cost of a patched call', () =>
      measureOverhead(guest, patches, identical),
    );
    await startLoad(guest);
    const measured = await progress.step(`bench: ${options.pairs} pairs`, () =>
      measurePairs(guest, patches, visible, options.pairs),
    );
    const toggles = await progress.step(`bench: ${options.toggles} toggles`, () =>
      toggle(guest, patches, visible, options.toggles - 2 * options.pairs),
    );
    return {
      ...measured,
      ...overhead,
      attach,
      toggles: toggles + 2 * options.pairs,
      wrongResults: Number(guest.heartbeat().errors),
      oopses: (await guest.complaints()).length,
      arenaBytes: { afterFirst: measured.arenaAfterFirst, atEnd: arenaBytes(patches) },
      scheduling: `exuvia-guest-stop SCHED_FIFO 5, QEMU's main thread SCHED_FIFO ${QEMU_PRIORITY}, observer SCHED_FIFO 20; each vCPU on a processor of its own`,
    };
  } finally {
    await patches.close();
    await guest.stop();
    await rm(state, { recursive: true, force: true });
  }
}

/** Each vCPU on a processor of its own: two that meet on one wait for each other longer than any stop lasts. */
async function pinVcpus({ context }: Patches): Promise<void> {
  const cpus = await context.machine.qmp.execute('human-monitor-command', { 'command-line': 'info cpus' });
  for (const [, vcpu, thread] of cpus.matchAll(/CPU #([0-9]+): thread_id=([0-9]+)/g)) {
    const processor = String(Number(vcpu) % availableParallelism());
    await run('taskset', ['--cpu-list', '--pid', processor, String(thread)]);
  }
}

/**
 * Two tasks that call the patched function and a third that writes to a disk, on CPU 0; on CPU 1 nothing but
 * the counter that is watched, so that the guest's own scheduling does not look like a pause.
 */
async function startLoad(guest: KernelGuest): Promise<void> {
  const hammer = `taskset 1 hammer /proc/version 0 'Linux version' '${PATCHED_TEXT}'`;
  await guest.output(`${hammer} >/dev/null & ${hammer} >/dev/null & taskset 1 diskwriter >/dev/null &`);
  await guest.output('echo 1 > /run/finebeat');
  await sleep(1000);
}

async function measurePairs(
  guest: KernelGuest,
  patches: Patches,
  patch: BenchPatch,
  pairs: number,
): Promise<
  Pick<GuestMeasurements, 'pauses' | 'emptyStops' | 'applyMs'> & { readonly arenaAfterFirst: number }
> {
  const observer = await observeGaps(guest.ramFile, guest.heartbeatOffset + FINEBEAT_OFFSET);
  const applyMs: number[] = [];
  const switches: Gap[] = [];
  const empty: Gap[] = [];
  const { machine } = patches.context;
  try {
    // Programs run their first times slowly; the tool is compiled while it runs.
    for (let count = 0; count < 10; count++) await pair(patches, patch, [], []);
    const arenaAfterFirst = arenaBytes(patches);
    for (let count = 0; count < pairs; count++) {
      empty.push(await timed(() => machine.stopForNothing()));
      await sleep(20);
      await pair(patches, patch, switches, applyMs);
    }
    await sleep(100);
    return {
      // One that was not seen was shorter than the observer can see: the difference is never made smaller by it.
      pauses: longest(observer, switches, SHORTEST_SEEN_US),
      emptyStops: longest(observer, empty, 0),
      applyMs,
      arenaAfterFirst,
    };
  } finally {
    await observer.stop();
  }
}

async function pair(patches: Patches, patch: BenchPatch, switches: Gap[], applyMs: number[]): Promise<void> {
  const before = performance.now();
  const applied = await patches.apply(patch.file, { bytes: patch.bytes });
  await patches.wait({ timeoutMs: WAIT_MS });
  applyMs.push(performance.now() - before);
  switches.push(applied.stop);
  await sleep(20);
  const back = await patches.rollback(applied.patch.id);
  switches.push(back.stop);
  await patches.wait({ timeoutMs: WAIT_MS });
  await sleep(20);
}

/** What the observer has seen of each stop, microseconds. */
function longest(observer: GapObserver, stops: readonly Gap[], unseen: number): number[] {
  return stops.map((stop) => gapAround(observer.gaps, stop) ?? unseen);
}

async function timed(work: () => Promise<void>): Promise<Gap> {
  const from = process.hrtime.bigint();
  await work();
  return { from, to: process.hrtime.bigint() };
}

/** Applies and rolls back as fast as it goes, with the load on both CPUs. */
async function toggle(
  guest: KernelGuest,
  patches: Patches,
  patch: BenchPatch,
  count: number,
): Promise<number> {
  await guest.output('echo -1 > /run/finebeat; for pid in $(pidof hammer); do taskset -p 3 $pid; done');
  let done = 0;
  while (done < count) {
    const { patch: applied } = await patches.apply(patch.file, { bytes: patch.bytes });
    await patches.wait({ timeoutMs: WAIT_MS });
    await patches.rollback(applied.id);
    await patches.wait({ timeoutMs: WAIT_MS });
    done += 2;
  }
  return done;
}

async function measureOverhead(
  guest: KernelGuest,
  patches: Patches,
  patch: BenchPatch,
): Promise<Pick<GuestMeasurements, 'plainNs' | 'patchedNs'>> {
  const call = async () =>
    Number(await guest.output(`taskset 2 callloop /proc/version ${CALLS}`, { timeoutMs: 120_000 }));
  const plainNs: number[] = [];
  const patchedNs: number[] = [];
  await call();
  for (let round = 0; round < ROUNDS; round++) {
    plainNs.push(await call());
    const { patch: applied } = await patches.apply(patch.file, { bytes: patch.bytes });
    await patches.wait({ timeoutMs: WAIT_MS });
    patchedNs.push(await call());
    await patches.rollback(applied.id);
    await patches.wait({ timeoutMs: WAIT_MS });
  }
  return { plainNs, patchedNs };
}

function arenaBytes({ context }: Patches): number {
  return context.journal.ledger.used.reduce((sum, { length }) => sum + length, 0);
}
