import { mkdir, rm } from 'node:fs/promises';
import { ExuviaError, HOST_PATHS, type Plan } from '@exuvia/contract';
import { appendDurably, detectBootLoader, run } from '@exuvia/sys';
import type { Step } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { commitRecord } from '../shared/commit-record.ts';
import { forgetNextKernel } from '../shared/default-kernel.ts';
import { noteVms } from '../shared/note-vms.ts';
import { savedFile } from './layout.ts';
import { noteTime } from './times.ts';

/**
 * The steps of an update by an ordinary reboot: every VM is saved to disk, memory included, and taken up again
 * by the agent of the next boot. Slow, but firmware and boot loader run, and no store has to survive.
 */
export function rebootSteps(
  dependencies: HandoverDependencies,
  plan: Pick<Plan, 'target' | 'vms'>,
): readonly Step[] {
  return [
    noteVms(dependencies),
    chooseKernel(plan.target.kernel),
    saveVms(dependencies),
    endVms(dependencies),
    commit(),
    restart(),
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

/** A saved VM stands still until it is resumed; a file that a crash leaves behind is never loaded by itself. */
function saveVms({ vms }: HandoverDependencies): Step {
  return {
    name: 'save-vms',
    phase: 'VM save',
    description: 'stop all VMs and save them to disk, memory included',
    async run(context) {
      await mkdir(HOST_PATHS.saved, { recursive: true, mode: 0o700 });
      await noteTime(context, 'begin');
      await Promise.all(
        context.plan.vms.map(({ name }) => vms.saveTo(name, savedFile(name), { signal: context.signal })),
      );
      await noteTime(context, 'saved');
    },
    async undo({ plan }) {
      for (const { name } of plan.vms) {
        // Still without a QEMU: the file is all that there is of this VM.
        if ((await vms.get(name)).state !== 'running') await vms.resume(name);
        await rm(savedFile(name), { force: true });
        await rm(`${savedFile(name)}.instance.json`, { force: true });
        await rm(`${savedFile(name)}.seal`, { force: true });
      }
    },
  };
}

function endVms({ vms }: HandoverDependencies): Step {
  return {
    name: 'end-vms',
    phase: 'QEMU shutdown',
    description: 'end the QEMUs of the saved VMs',
    async run(context) {
      await Promise.all(context.plan.vms.map(({ name }) => vms.endSaved(name)));
      await noteTime(context, 'ended');
    },
    async undo({ plan }) {
      await Promise.all(
        plan.vms.map(async ({ name }) => {
          const { state } = await vms.get(name);
          if (state !== 'running' && state !== 'paused') await vms.restoreFrom(name, savedFile(name));
        }),
      );
    },
  };
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

function restart(): Step {
  return {
    name: 'jump',
    phase: 'kernel shutdown',
    description: 'restart the machine through its firmware',
    async run(context) {
      await noteTime(context, 'restart');
      await run('systemctl', ['reboot', '--no-block']);
      // systemd ends this process; whoever started the reboot must not see this step succeed.
      await new Promise<never>(() => {});
    },
  };
}
