import { ExuviaError, type Plan, type QemuTarget } from '@exuvia/contract';
import { commandLineFor } from '@exuvia/qemu';
import type { Step, StepContext, Successor } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt, unlessAborted } from '../shared/attempt.ts';
import { endOfProgram } from '../shared/led-program.ts';
import { noteVms } from '../shared/note-vms.ts';
import { byPriority, inParallel } from '../shared/parallel.ts';
import { rehearse } from '../shared/rehearsal-step.ts';
import { QEMU_ENVIRONMENT, runningProgram } from '../shared/running-program.ts';
import { replace, settleVm } from './in-place.ts';
import { recordFile } from './layout.ts';
import { startTransfer, type TransferProgram } from './transfer-program.ts';

type PlannedVm = Plan['vms'][number];

/** What the steps of one update share; nothing of it is needed by an undo in another process. */
interface Prepared {
  readonly successors: Map<string, Successor>;
  readonly programs: Map<string, TransferProgram>;
}

/**
 * The steps of an update of the VMs' QEMU. Everything that can fail for reasons of the new QEMU is tried before the first VM
 * is touched: its command line, its save and restore (rehearsal), its start, and that it builds the machine.
 */
export function vmmSteps(
  dependencies: HandoverDependencies,
  plan: Pick<Plan, 'id' | 'target' | 'vms'>,
): readonly Step[] {
  const prepared: Prepared = { successors: new Map(), programs: new Map() };
  const qemu = plan.target.qemu;
  return [
    noteVms(dependencies),
    compareMachines(dependencies, qemu),
    rehearse(
      dependencies,
      'save a machine like each VM with its QEMU and restore it with the new one',
      async ({ name, pid }) => {
        const argv = await dependencies.vms.restoreArguments(name);
        return {
          name,
          argv: commandLineFor(required(qemu).binary, argv),
          environment: QEMU_ENVIRONMENT,
          savedBy: await runningProgram(pid ?? 0, argv),
        };
      },
    ),
    startQemus(dependencies, qemu, prepared),
    prepareQemus(prepared),
    switchVms(dependencies, qemu, prepared),
  ];
}

/** QEMU loads a state into a machine with an additional device without a word. */
function compareMachines({ vms }: HandoverDependencies, qemu: QemuTarget | null): Step {
  return {
    name: 'compare-machines',
    phase: null,
    description: 'compare the machine that runs with the one that will take its place',
    async run({ plan }) {
      for (const { name } of plan.vms) {
        const differences = await vms.successors.differences(name, required(qemu).binary);
        if (differences.length === 0) continue;
        throw new ExuviaError(
          'machine-differs',
          `The new QEMU of VM ${name} would not be the same machine: ${differences.join('; ')}.`,
          { hint: 'Stop and start the VM.' },
        );
      }
    },
  };
}

/** They build their machines while the VMs run in the old ones; a QEMU that does not start is found out here. */
function startQemus({ vms }: HandoverDependencies, qemu: QemuTarget | null, prepared: Prepared): Step {
  return {
    name: 'start-qemus',
    phase: null,
    description: 'start the new QEMUs; they wait',
    async run({ plan, signal }) {
      for (const { name } of transferred(plan)) {
        signal.throwIfAborted();
        prepared.successors.set(name, await vms.successors.start(name, required(qemu).binary));
      }
    },
    async undo({ plan }) {
      for (const { name } of transferred(plan)) await vms.successors.end(name);
    },
  };
}

/** One native program a VM leads the transfer, and undoes it by itself when this process dies. */
function prepareQemus(prepared: Prepared): Step {
  return {
    name: 'prepare-qemus',
    phase: null,
    description: 'hand the VMs’ memory to the new QEMUs, which build the machines on it',
    async run(context) {
      for (const { name } of transferred(context.plan)) {
        const successor = prepared.successors.get(name);
        if (successor === undefined) throw new ExuviaError('internal', `VM ${name} has no successor.`);
        const program = startTransfer({
          vm: name,
          successor,
          record: recordFile(context, name),
          hold: context.fault?.step === `${SWITCH}/${name}`,
          log: (message) => context.log(message),
        });
        prepared.programs.set(name, program);
        await context.remember(`transfer-${name}`, program.pid);
        await unlessAborted(context, program.ready());
      }
    },
    undo: (context) => endTransfers(context, prepared),
  };
}

const SWITCH = 'switch-vms';

/**
 * In the order of priority, as many at once as the plan says. The update is committed before the first one; when none
 * has moved it is undone all the same, else those that could not be moved stay in their old QEMU, and run.
 */
function switchVms(dependencies: HandoverDependencies, qemu: QemuTarget | null, prepared: Prepared): Step {
  return {
    name: SWITCH,
    phase: 'VM save',
    description: 'move the VMs into the new QEMUs, one after the other or several at once',
    async run(context) {
      await context.commit();
      const failures: string[] = [];
      const moved = await inParallel(
        byPriority(context.plan),
        context.plan.parallel,
        async ({ name, method }) => {
          try {
            const program = prepared.programs.get(name);
            if (program === undefined)
              await replace(dependencies, context, { name, method }, required(qemu).binary);
            else await move(context, name, program);
            return true;
          } catch (error) {
            failures.push(
              `VM ${name} (${method}): ${error instanceof Error ? error.message : String(error)}`,
            );
            await prepared.programs.get(name)?.abort();
            return false;
          }
        },
      );
      // The VMs are where they are: nothing of this may undo them.
      await attempt(context, 'What failed is not kept', () => context.remember('failures', failures));
      if (moved.some(Boolean)) for (const failure of failures) context.log(failure);
      else throw new ExuviaError('switch-failed', failures.join(' ') || 'There was no VM to move.');
    },
    async undo(context) {
      await endTransfers(context, prepared);
      for (const { name } of context.plan.vms) await settleVm(dependencies, name, required(qemu).binary);
    },
  };
}

async function move(context: StepContext, name: string, program: TransferProgram): Promise<void> {
  await unlessAborted(
    context,
    program.move(() => context.pass(`${SWITCH}/${name}`, 'after')),
  );
}

async function endTransfers(context: StepContext, prepared: Prepared): Promise<void> {
  for (const { name } of transferred(context.plan)) {
    const program = prepared.programs.get(name);
    if (program !== undefined) await program.abort();
    else await endOfProgram('exuvia-transfer', await context.recall(`transfer-${name}`));
  }
}

function transferred(plan: Pick<Plan, 'vms'>): PlannedVm[] {
  return byPriority(plan).filter(({ method }) => method === 'cpr-transfer');
}

/** A plan of this kind always has one. */
function required(qemu: QemuTarget | null): QemuTarget {
  if (qemu !== null) return qemu;
  throw new ExuviaError('internal', 'The plan names no QEMU.');
}
