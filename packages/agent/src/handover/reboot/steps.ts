import { mkdir } from 'node:fs/promises';
import { ExuviaError, HOST_PATHS, type Plan } from '@exuvia/contract';
import { appendDurably, detectBootLoader, rebootMode, run, setRebootMode } from '@exuvia/sys';
import { z } from 'zod';
import type { Step, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { STATE_BYTES } from '../shared/checks.ts';
import { commitRecord } from '../shared/commit-record.ts';
import { forgetNextKernel } from '../shared/default-kernel.ts';
import { endSaved, restoreEnded, resumeSaved, saveInStore } from '../shared/in-store.ts';
import { noteVms } from '../shared/note-vms.ts';
import { allOf } from '../shared/parallel.ts';
import { rehearseRestart } from '../shared/rehearsal-step.ts';
import { savedFile } from './layout.ts';
import { rebootVerdict } from './store.ts';
import { noteTime } from './times.ts';

/**
 * The steps of an update by an ordinary reboot: every VM is saved and taken up again by the agent of the next boot. Its
 * memory goes to disk with it, unless the store has been seen to outlive a restart of this machine. Slow, but firmware and
 * boot loader run.
 */
export function rebootSteps(
  dependencies: HandoverDependencies,
  plan: Pick<Plan, 'target' | 'vms' | 'store'>,
): readonly Step[] {
  return [
    noteVms(dependencies),
    rehearseRestart(dependencies),
    markStore(dependencies),
    chooseKernel(plan.target.kernel),
    saveVms(dependencies, plan),
    endVms(dependencies, plan.store),
    commit(),
    restart(dependencies),
  ];
}

/** For the next boot only: if it fails, the boot after it is the old kernel's. */
function chooseKernel(release: string): Step {
  return {
    name: 'choose-kernel',
    phase: null,
    description: 'tell the boot loader which kernel to start next',
    async run() {
      const bootLoader = await detectBootLoader();
      if (bootLoader === null) {
        throw new ExuviaError(
          'boot-loader-unknown',
          'Neither GRUB nor kernel-install manages this host’s kernels.',
          {
            hint: 'Use `--handover kexec`.',
          },
        );
      }
      await bootLoader.setNextKernel(release);
    },
    undo: forgetNextKernel,
  };
}

/**
 * What shows the next boot whether the store outlives this restart. An update does not fail for it: VMs that wait in the
 * store are sealed by themselves.
 */
function markStore({ store, config }: HandoverDependencies): Step {
  return {
    name: 'mark-store',
    phase: null,
    description: 'fill what is free in the store, for the next boot to see whether it outlives the restart',
    async run(context) {
      if (config().rebootStore === 'disk') return;
      const { signal, plan } = context;
      const keepFree = ROOM_BYTES + plan.vms.length * STATE_BYTES;
      await unlessFailing(context, () => store.markForReset({ keepFree, signal }));
    },
    undo: () => store.forgetReset(),
  };
}

/** What else may be written to the store meanwhile; generous. */
const ROOM_BYTES = 64 * 2 ** 20;

async function unlessFailing(context: StepContext, work: () => Promise<void>): Promise<void> {
  await attempt(context, 'The next boot will not know whether the store outlives this restart', work);
  context.signal.throwIfAborted();
}

/** A saved VM stands still until it is resumed, which removes what was saved: nobody ever loads a state that is stale. */
function saveVms(dependencies: HandoverDependencies, plan: Pick<Plan, 'store' | 'target'>): Step {
  return {
    name: 'save-vms',
    phase: 'VM save',
    description:
      plan.store === 'dax'
        ? 'stop all VMs and save their device state into the store'
        : 'stop all VMs and save them to disk, memory included',
    async run(context) {
      if (plan.store === 'dax') await requireOutliving(dependencies, plan.target.kernel);
      await mkdir(HOST_PATHS.saved, { recursive: true, mode: 0o700 });
      await noteTime(context, 'begin');
      if (plan.store === 'dax') await saveInStore(dependencies, context.plan, { throughReset: true });
      else await saveToFiles(dependencies, context);
      const elsewhere = plan.store === 'dax' ? [] : context.plan.vms.map(({ name }) => name);
      await unlessFailing(context, () => dependencies.store.completeMark(elsewhere));
      await noteTime(context, 'saved');
    },
    undo: (context) => resumeSaved(dependencies, context.plan),
  };
}

async function saveToFiles({ vms }: HandoverDependencies, { plan, signal }: StepContext): Promise<void> {
  await allOf(plan.vms.map(({ name }) => vms.saveTo(name, savedFile(name), { signal })));
}

/** What the firmware is asked to do may have changed since the plan was made. */
async function requireOutliving(dependencies: HandoverDependencies, kernel: string): Promise<void> {
  const { outlives, reason } = await rebootVerdict(dependencies, kernel);
  if (outlives) return;
  throw new ExuviaError('store-not-kept', `The VMs cannot wait in the store. ${reason}`, {
    hint: 'Make the update anew: its plan will have them wait on disk.',
  });
}

function endVms(dependencies: HandoverDependencies, store: Plan['store']): Step {
  const { vms } = dependencies;
  return {
    name: 'end-vms',
    phase: 'QEMU shutdown',
    description: 'end the QEMUs of the saved VMs',
    async run(context) {
      await endSaved(dependencies, context.plan);
      await noteTime(context, 'ended');
    },
    async undo({ plan }) {
      if (store === 'dax') await restoreEnded(dependencies, plan);
      else await restoreEndedFromFiles(vms, plan);
    },
  };
}

async function restoreEndedFromFiles(
  vms: HandoverDependencies['vms'],
  plan: Pick<Plan, 'vms'>,
): Promise<void> {
  await allOf(
    plan.vms.map(async ({ name }) => {
      const { saved } = await vms.get(name);
      if (saved === true) await vms.restoreFrom(name, savedFile(name));
    }),
  );
}

function commit(): Step {
  return {
    name: 'commit',
    phase: 'userland shutdown',
    description: 'write the commit record to the journal',
    async run({ plan }) {
      await appendDurably(HOST_PATHS.journal, commitRecord(plan));
    },
  };
}

function restart({ config }: HandoverDependencies): Step {
  return {
    name: 'jump',
    phase: 'kernel shutdown',
    description: 'restart the machine through its firmware',
    async run(context) {
      await noteTime(context, 'restart');
      if (config().rebootStore === 'auto') {
        await attempt(context, 'The firmware is not asked to leave memory alone', () =>
          askForWarmReset(context),
        );
      }
      await run('systemctl', ['reboot', '--no-block']);
      // systemd ends this process; whoever started the reboot must not see this step succeed.
      await new Promise<never>(() => {});
    },
    async undo(context) {
      const mode = z.string().safeParse(await context.recall('reboot-mode'));
      if (mode.success) await setRebootMode(mode.data);
    },
  };
}

async function askForWarmReset(context: StepContext): Promise<void> {
  const mode = await rebootMode();
  if (mode === null) return;
  await context.remember('reboot-mode', mode);
  await setRebootMode('warm');
}
