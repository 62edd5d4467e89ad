import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { restoreInTarget } from '../shared/restore-in-target.ts';
import type { Stamps } from '../shared/stamp-lines.ts';

/** VMs that the early restore did not bring back, but whose state is whole: their memory lies in the store. */
export async function restoreTheRest(
  { vms }: HandoverDependencies,
  context: StepContext,
  after: Stamps,
): Promise<void> {
  for (const { name } of context.plan.vms) {
    if ((await vms.get(name)).state === 'running') continue;
    const fate = after.fates.get(name);
    context.log(`VM ${name} does not run: ${fate?.detail ?? 'the early restore did not run'}`);
    // A guest that has run on since has left its saved state behind.
    if (fate?.restored === true) continue;
    await attempt(context, `VM ${name} could not be restored; its state is kept`, async () => {
      await restoreInTarget(vms, context, name);
    });
  }
}
