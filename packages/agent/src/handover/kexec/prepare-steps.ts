import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError, type Plan, type Vm } from '@exuvia/contract';
import {
  installedKernels,
  kernelConfig,
  kernelRelease,
  loadKexec,
  readIfExists,
  unloadKexec,
  writeFileDurably,
} from '@exuvia/sys';
import type { Step, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { commitRecord } from '../shared/commit-record.ts';
import { byPriority } from '../shared/parallel.ts';
import { runningVms } from '../shared/running-vms.ts';
import { tscKhz } from '../shared/stamp-lines.ts';
import { clockReadingSchema, readClock } from './clock.ts';
import { nextCommandLine } from './command-line.ts';
import { restorePlanOf } from './early-plan.ts';
import { fallbackOf } from './fallback.ts';
import { buildInitramfs } from './initramfs.ts';
import { handoverFiles } from './layout.ts';
import { type EarlyNeeds, earlyNeeds, restored } from './needs.ts';
import { renderPausePlan } from './pause-plan.ts';
import type { Prepared } from './prepared.ts';
import { removeBootFiles } from './runtime.ts';
import { installRuntimes } from './runtimes.ts';
import { noteWatchdog } from './watchdog.ts';

const PAUSE_TIMEOUT_MS = 60_000;

/** For the restore's time stamps: how fast the clock runs that both kernels read. */
export async function noteClock(context: StepContext): Promise<void> {
  await context.remember('clock', await readClock());
}

/** The copy is kept for the next update; a half-made one has another name and is removed by a later update. */
export function copyQemu(dependencies: HandoverDependencies, prepared: Prepared): Step {
  return {
    name: 'copy-qemu',
    phase: null,
    description: 'copy QEMU into the store, where the new kernel executes it in place',
    async run({ plan }) {
      prepared.runtimes = await installRuntimes(dependencies, plan);
    },
  };
}

/** Files in the update's own directories only; dying after it leaves them to `undo`, which removes them. */
export function buildRestore(dependencies: HandoverDependencies, prepared: Prepared): Step {
  return {
    name: 'build-restore',
    phase: null,
    description: 'write the restore plan and build the early-restore initramfs',
    async run(context) {
      const { plan } = context;
      const vms = await runningVms(dependencies, plan);
      const needs = await earlyNeeds(plan.target.kernel, await restored(dependencies, vms));
      const runtimes = prepared.runtimes ?? (await installRuntimes(dependencies, plan));
      prepared.needs = needs;
      const restore = await restorePlanOf(dependencies, context, { vms, needs, runtimes });
      prepared.vms = restore.vms;
      const wayBack = await commandLineOf(context, kernelRelease(), dependencies.config().kernelArguments);
      const fallback = await fallbackOf(context, wayBack);
      const initramfs = await buildInitramfs(plan.target.kernel, { ...restore, fallback }, needs);
      await writeFile(join(context.directory, 'initramfs'), initramfs, { mode: 0o600 });
      await context.remember('initramfs-bytes', initramfs.length);
      await mkdir(handoverFiles(plan.id).directory, { recursive: true, mode: 0o700 });
      const watchdog = await noteWatchdog(context, dependencies.config().watchdogSeconds);
      await writeFile(
        join(context.directory, 'pause-plan'),
        renderPausePlan(pausePlan(plan, vms, needs, watchdog)),
        {
          mode: 0o600,
        },
      );
    },
    async undo(context) {
      await rm(join(context.directory, 'initramfs'), { force: true });
      await rm(join(context.directory, 'pause-plan'), { force: true });
      await rm(handoverFiles(context.plan.id).directory, { recursive: true, force: true });
      await removeBootFiles();
    },
  };
}

/** A loaded kernel changes nothing until the jump; `kexec -u` frees it, a reboot as well. */
export function loadKernel({ config }: HandoverDependencies): Step {
  return {
    name: 'load-kernel',
    phase: null,
    description: 'load the new kernel and the initramfs into memory',
    async run(context) {
      const release = context.plan.target.kernel;
      const kernel = (await installedKernels()).find((installed) => installed.release === release);
      if (kernel === undefined) {
        throw new ExuviaError('kernel-unknown', `Kernel ${release} is no longer installed.`, {
          hint: 'Make a new plan.',
        });
      }
      const commandLine = await commandLineOf(context, release, config().kernelArguments);
      await writeFileDurably(join(context.directory, 'kernel-command-line'), `${commandLine}\n`);
      await loadKexec({ kernel: kernel.image, initrd: join(context.directory, 'initramfs'), commandLine });
    },
    undo: () => unloadKexec(),
  };
}

function pausePlan(
  plan: Plan,
  vms: readonly Vm[],
  needs: EarlyNeeds,
  watchdog: { readonly device: string; readonly seconds: number } | null,
) {
  const leave = new Set(vms.filter(({ spec }) => spec.onFailure === 'leave').map(({ name }) => name));
  return {
    update: plan.id,
    vms: byPriority(plan).map(({ name }) => ({ name, leave: leave.has(name) })),
    syncs: [needs.store.path, '/', ...needs.mounts.map(({ path }) => path)],
    commitRecord: commitRecord(plan).trimEnd(),
    timeoutMs: PAUSE_TIMEOUT_MS,
    watchdog,
  };
}

async function commandLineOf(
  context: StepContext,
  release: string,
  further: readonly string[],
): Promise<string> {
  const running = (await readIfExists('/proc/cmdline')) ?? '';
  const clock = {
    tscKhz: await measuredTscKhz(context),
    hz: await ticksPerSecond(release),
  };
  return nextCommandLine(running, context.plan.id, clock, further);
}

async function ticksPerSecond(release: string): Promise<number | null> {
  const hz = Number((await kernelConfig(release))?.get('HZ'));
  return hz >= 100 && hz <= 10_000 ? hz : null;
}

async function measuredTscKhz(context: StepContext): Promise<number | null> {
  const before = clockReadingSchema.safeParse(await context.recall('clock'));
  if (!before.success) return null;
  const now = await readClock();
  return tscKhz(
    { tsc: BigInt(before.data.tsc), ns: BigInt(before.data.ns) },
    { tsc: BigInt(now.tsc), ns: BigInt(now.ns) },
  );
}
