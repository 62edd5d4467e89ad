import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError, type Fault } from '@exuvia/contract';
import { detectBootLoader, installedKernels, readIfExists } from '@exuvia/sys';
import type { Step, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { forgetNextKernel } from '../shared/default-kernel.ts';
import { withOwnQemus } from '../shared/own-qemus.ts';
import { runningVms } from '../shared/running-vms.ts';
import { parseStamps } from '../shared/stamp-lines.ts';
import { FALLBACK_ARGUMENT } from './arrival.ts';
import { restorePlanOf } from './early-plan.ts';
import { buildInitramfs } from './initramfs.ts';
import { handoverFiles } from './layout.ts';
import { earlyNeeds, restored } from './needs.ts';
import type { RestorePlan } from './restore-plan.ts';
import { installRuntimes } from './runtimes.ts';

/**
 * Where the new kernel's early restore jumps back to when it cannot restore a single VM: the kernel that runs now,
 * with an initramfs that restores the same VMs. Both lie in the store as well as on disk: one of them may be
 * what cannot be mounted.
 */
export async function fallbackOf(
  { plan, directory }: Pick<StepContext, 'plan' | 'directory'>,
  commandLine: string,
): Promise<NonNullable<RestorePlan['fallback']> | null> {
  const kernel = (await installedKernels()).find(({ release }) => release === plan.host.kernel);
  if (kernel === undefined) return null;
  const stored = handoverFiles(plan.id);
  return {
    images: [
      { kernel: stored.fallbackKernel, initrd: stored.fallbackInitramfs },
      { kernel: join(directory, 'fallback-kernel'), initrd: join(directory, 'fallback-initramfs') },
    ],
    commandLine: `${commandLine} ${FALLBACK_ARGUMENT}=${plan.id}`,
    failure: stored.failure,
  };
}

/** Files in the update's own directories only; `undo` of `build-restore` and the update's end remove them. */
export function prepareFallback(dependencies: HandoverDependencies): Step {
  return {
    name: 'prepare-fallback',
    phase: null,
    description: 'build the way back: what the old kernel restores the VMs with if the new one cannot',
    async run(context) {
      const { plan, directory } = context;
      const kernel = (await installedKernels()).find(({ release }) => release === plan.host.kernel);
      if (kernel === undefined) {
        context.log(`kernel ${plan.host.kernel} is no longer installed: there is no way back by kexec`);
        return;
      }
      const vms = await runningVms(dependencies, plan);
      const { own, runtimes } = await qemusOfReturn(dependencies, context);
      const needs = await earlyNeeds(plan.host.kernel, await restored(dependencies, vms));
      const found = { vms, needs, runtimes };
      const back = await restorePlanOf(dependencies, { plan: own, fault: context.fault }, found);
      const restore = { ...back, fault: inBothKernels(back.fault) };
      const initramfs = await buildInitramfs(plan.host.kernel, restore, needs);
      const onDisk = join(directory, 'fallback-initramfs');
      await writeFile(onDisk, initramfs, { mode: 0o600 });
      // Not where it is installed: /boot may be a file system of its own, which the early restore does not mount.
      await copyFile(kernel.image, join(directory, 'fallback-kernel'));
      const stored = handoverFiles(plan.id);
      await mkdir(stored.directory, { recursive: true, mode: 0o700 });
      for (const [from, to] of [
        [onDisk, stored.fallbackInitramfs],
        [kernel.image, stored.fallbackKernel],
      ] as const) {
        await copyFile(from, `${to}.tmp`);
        await rename(`${to}.tmp`, to);
      }
    },
    async undo({ plan, directory }) {
      await rm(join(directory, 'fallback-initramfs'), { force: true });
      await rm(join(directory, 'fallback-kernel'), { force: true });
      await rm(handoverFiles(plan.id).directory, { recursive: true, force: true });
    },
  };
}

/** The QEMUs that save the VMs: a new one may be what the new kernel could not restore them with. */
async function qemusOfReturn(dependencies: HandoverDependencies, { plan, log }: StepContext) {
  const own = withOwnQemus(plan);
  try {
    return { own, runtimes: await installRuntimes(dependencies, own) };
  } catch (error) {
    if (plan.target.qemu === null) throw error;
    log(`the way back starts the new QEMU, for the old one cannot be copied: ${String(error)}`);
    return { own: plan, runtimes: await installRuntimes(dependencies, plan) };
  }
}

/** A fault that kills every QEMU does so here as well: two failures in a row. */
function inBothKernels(fault: Fault | undefined): Fault | undefined {
  return fault?.action === 'kill' && fault.vm === undefined ? fault : undefined;
}

/**
 * For what no program catches: a panic or a watchdog resets the machine through its firmware, and the boot loader
 * starts the old kernel, once. A host without a boot loader that is known goes on without.
 */
export function armFallback(): Step {
  return {
    name: 'arm-fallback',
    phase: null,
    description: 'make the old kernel the one that boots after a crash of the new one',
    async run(context) {
      await attempt(context, 'After a reset the boot loader starts its default kernel', async () => {
        const loader = await detectBootLoader();
        if (loader === null) throw new ExuviaError('boot-loader-unknown', 'No boot loader is known.');
        await context.remember('next-kernel', true);
        await loader.setNextKernel(context.plan.host.kernel);
      });
    },
    undo: (context) => disarmFallback(context),
  };
}

/** Takes back what `arm-fallback` set. Idempotent. */
export async function disarmFallback(context: StepContext): Promise<void> {
  if ((await context.recall('next-kernel')) === true) await forgetNextKernel();
  // A full disk must not make an undo fail: cleared twice is no harm.
  await context.remember('next-kernel', false).catch(() => {});
}

/** The kernel that went back left word of why, in the store, and of each VM. */
export async function whyGoneBack({ plan, log }: Pick<StepContext, 'plan' | 'log'>): Promise<string> {
  const text = (await readIfExists(handoverFiles(plan.id).failure)) ?? '';
  for (const [name, { detail }] of parseStamps(text).fates) log(`VM ${name} in the new kernel: ${detail}`);
  return /^failure (.*)$/m.exec(text)?.[1] ?? 'the new kernel did not say why';
}
