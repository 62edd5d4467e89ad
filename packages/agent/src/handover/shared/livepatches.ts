import { run } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import { attempt } from './attempt.ts';

/** Loads the livepatches again that the plan carries into the new kernel; those that are loaded are no error. */
export async function loadLivepatches(context: StepContext): Promise<void> {
  for (const { name, carried } of context.plan.livepatches) {
    if (!carried) continue;
    await attempt(context, `The livepatch ${name} is not in force`, () => run('modprobe', ['--', name]));
  }
}
