import { join } from 'node:path';
import {
  ExuviaError,
  HOST_PATHS,
  mayBeLeftOut,
  type Plan,
  parseSize,
  REHEARSAL,
  type Vm,
} from '@exuvia/contract';
import { commandLineFor } from '@exuvia/qemu';
import type { Step } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from './attempt.ts';
import { forgetRefusal, noteRefusal } from './refusals.ts';
import { endRehearsal, type RehearsedVm, rehearseRestore } from './rehearse.ts';
import { QEMU_ENVIRONMENT } from './running-program.ts';
import { withSaver } from './with-saver.ts';

/**
 * Rehearses the restore of every VM; what it finds out is kept for the next plan (./refusals.ts). When the agent dies in
 * it, a directory in /run and a QEMU that executes nothing stay behind, until `undo`.
 *
 * @param machineOf how a VM will be saved and restored.
 */
export function rehearse(
  dependencies: HandoverDependencies,
  description: string,
  machineOf: (vm: Vm, plan: Plan) => Promise<RehearsedVm>,
): Step {
  return {
    name: REHEARSAL,
    phase: null,
    description,
    async run(context) {
      const { plan, signal, log } = context;
      const refused: ExuviaError[] = [];
      for (const { name } of plan.vms) {
        const vm = await dependencies.vms.get(name);
        if (vm.spec.extraArgs.length > 0) {
          log(`VM ${name} is not rehearsed: its extra arguments may name things that exist only once`);
          continue;
        }
        const machine = await machineOf(vm, plan);
        try {
          await rehearseRestore(machine, {
            record: join(HOST_PATHS.runtime, 'rehearsed'),
            directory: rehearsalDirectory(name),
            memoryBytes: parseSize(vm.spec.memory) ?? 0,
            cpus: dependencies.config().vmCpus,
            signal,
          });
          await forgetRefusal(name, plan.handover);
        } catch (error) {
          if (!isRefusal(error)) throw error;
          await attempt(context, `The next plan will not know that VM ${name} was refused`, () =>
            noteRefusal(dependencies, plan, vm, error),
          );
          if (!mayBeLeftOut(plan.handover, vm.spec.onFailure)) throw error;
          refused.push(error);
        }
      }
      if (refused.length > 0) throw leftOutNextTime(refused);
    },
    async undo({ plan }) {
      await Promise.all(plan.vms.map(({ name }) => endRehearsal(rehearsalDirectory(name))));
    },
  };
}

/**
 * Rehearses a restore by the agent, with the QEMU that the plan brings, or that whose file is where the VM's was: a package
 * that was upgraded has put another one there, and the VM's own ends before the restore.
 */
export function rehearseRestart(dependencies: HandoverDependencies): Step {
  return rehearse(
    dependencies,
    'save a machine like each VM with its QEMU and restore it with the one that will take it up',
    async ({ name }, plan) => {
      const argv = await dependencies.vms.restoreArguments(name);
      const binary = plan.target.qemu?.binary;
      return withSaver(dependencies, plan, {
        name,
        argv: binary === undefined ? argv : commandLineFor(binary, argv),
        environment: QEMU_ENVIRONMENT,
      });
    },
  );
}

function isRefusal(error: unknown): error is ExuviaError {
  return error instanceof ExuviaError && error.code === 'rehearsal-failed';
}

function leftOutNextTime(refused: readonly ExuviaError[]): ExuviaError {
  const said = refused.map(({ message, hint = '' }) => `${message} ${hint}`.trim()).join(' ');
  return new ExuviaError('rehearsal-failed', said, {
    hint: 'A new plan goes on without it, as its spec says (onFailure).',
  });
}

function rehearsalDirectory(name: string): string {
  return join(HOST_PATHS.runtime, 'rehearsal', name);
}
