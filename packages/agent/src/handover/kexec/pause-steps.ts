import { ExuviaError, type PhaseName } from '@exuvia/contract';
import type { Step, StepContext } from '../../kinds.ts';
import { unlessAborted } from '../shared/attempt.ts';
import { endOfProgram } from '../shared/led-program.ts';
import { PAUSE_STEPS, type PauseProgram, type PauseStep, startPause } from './pause-program.ts';

const STEPS: Readonly<Record<PauseStep, { readonly phase: PhaseName; readonly description: string }>> = {
  'suspend-vms': { phase: 'VM suspend', description: 'stop all VMs' },
  'save-vms': { phase: 'VM save', description: 'save the device state of all VMs into the store' },
  'seal-state': { phase: 'QEMU shutdown', description: 'write down size and checksum of every saved state' },
  'sync-file-systems': { phase: 'userland shutdown', description: 'write what is left to the disks' },
  commit: { phase: 'userland shutdown', description: 'write the commit record to the journal' },
  jump: { phase: 'kernel shutdown', description: 'jump into the new kernel' },
};

export interface PauseStepsOptions {
  planFile(context: StepContext): string;
}

/**
 * The steps that exuvia-pause executes, dressed as the engine's.
 *
 * When the machine dies in one of them, the VMs' memory dies with it; when this process dies, the program
 * undoes what it has done and ends. The QEMUs live until the jump, which is why there is nothing to undo but
 * the pause itself.
 */
export function pauseSteps({ planFile }: PauseStepsOptions): readonly Step[] {
  let program: PauseProgram | null = null;
  let aborted: Promise<readonly string[]> | null = null;

  const undo = async (context: StepContext) => {
    aborted ??=
      program?.abort() ?? endOfProgram('exuvia-pause', await context.recall('pause-pid')).then(() => []);
    const stuck = await aborted;
    if (stuck.length > 0) {
      throw new ExuviaError('vm-stuck', `${stuck.join(', ')} did not resume at once.`, {
        hint: 'Exuvia tries again; see `exuvia vm list`.',
      });
    }
  };
  const arm: Step = {
    name: 'arm-pause',
    phase: null,
    description: 'connect to every QEMU and prepare it for the pause',
    async run(context) {
      program = startPause({
        plan: planFile(context),
        holdAfter: holdFor(context),
        log: (message) => context.log(message),
      });
      await context.remember('pause-pid', program.pid);
      await unlessAborted(context, program.ready());
    },
    undo,
  };
  const paused = PAUSE_STEPS.map(
    (name): Step => ({
      name,
      ...STEPS[name],
      async run(context) {
        if (program === null) throw new ExuviaError('internal', `Step ${name} ran before arm-pause.`);
        await unlessAborted(context, program.complete(name));
      },
      undo,
    }),
  );
  return [arm, ...paused];
}

/** An injected fault must find the program waiting at its step, not steps ahead. */
function holdFor({ fault }: StepContext): PauseStep | undefined {
  const at = PAUSE_STEPS.indexOf(fault?.step as PauseStep);
  if (at === -1) return undefined;
  return PAUSE_STEPS[fault?.when === 'before' ? at - 1 : at];
}
