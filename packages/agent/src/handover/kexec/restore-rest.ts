import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { byPriority } from '../shared/parallel.ts';
import { restoreInTarget } from '../shared/restore-in-target.ts';
import type { Stamps } from '../shared/stamp-lines.ts';

/**
 * VMs that the early restore did not bring back: those whose state is whole (their memory lies in the store), and those
 * that stand still in a QEMU that did not let them run on then. All at once: one that hangs does not hold up the others.
 */
export async function restoreTheRest(
  { vms }: HandoverDependencies,
  context: StepContext,
  after: Stamps,
): Promise<void> {
  await Promise.all(
    byPriority(context.plan).map(async ({ name }) => {
      const { state, pid } = await vms.get(name);
      if (state === 'running') return;
      const fate = after.fates.get(name);
      context.log(`VM ${name} does not run: ${fate?.detail ?? 'the early restore did not run'}`);
      // A guest that has run on since has left its saved state behind.
      const ranOn = fate?.fate === 'restored' || (fate?.fate === 'paused' && pid === null);
      if (ranOn) return;
      if (fate?.fate === 'paused') {
        await attempt(context, `VM ${name} stands still: exuvia vm resume ${name}`, () => vms.resume(name));
        return;
      }
      await attempt(context, `VM ${name} was not brought back`, async () => {
        await restoreInTarget(context, name, (options) => vms.restoreInPlace(name, options));
      });
    }),
  );
}
