import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from './attempt.ts';
import { byPriority } from './parallel.ts';
import { restoreInTarget } from './restore-in-target.ts';

/**
 * Takes up every VM that waits in the store, all at once. One that the target's QEMU cannot take up goes back to the one
 * that saved it; one that fails alone keeps its state and does not hold up the others. Idempotent.
 */
export async function restoreAll({ vms }: HandoverDependencies, context: StepContext): Promise<void> {
  await Promise.all(
    byPriority(context.plan).map(async ({ name }) => {
      const { state, pid, saved } = await vms.get(name);
      if (state === 'running' || (pid === null && saved !== true)) return;
      await attempt(context, `VM ${name} was not brought back`, async () => {
        await restoreInTarget(context, name, (options) => vms.restoreInPlace(name, options));
      });
    }),
  );
}
