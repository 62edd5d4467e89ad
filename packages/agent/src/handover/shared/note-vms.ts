import type { Step, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { noteHeartbeats } from './heartbeats.ts';
import { runningVms } from './running-vms.ts';

/**
 * The first step of every handover. Changes nothing on the host; dying after it leaves small files in the update's
 * own directory.
 *
 * @param also what else has to be known from before.
 */
export function noteVms(
  dependencies: HandoverDependencies,
  also?: { readonly what: string; note(context: StepContext): Promise<void> },
): Step {
  return {
    name: 'note-vms',
    phase: null,
    description: `note the VMs’ heartbeats${also === undefined ? '' : ` and ${also.what}`}`,
    async run(context) {
      const vms = await runningVms(dependencies, context.plan);
      await also?.note(context);
      await noteHeartbeats(dependencies, context, vms);
    },
  };
}
