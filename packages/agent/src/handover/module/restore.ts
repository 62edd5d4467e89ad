import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { byPriority } from '../shared/parallel.ts';

/**
 * Takes up every VM that waits in the store, all at once. One that the target's QEMU cannot take up goes back to the one
 * that saved it; one that fails alone keeps its state and does not hold up the others. Idempotent.
 */
export async function restoreAll({ vms }: HandoverDependencies, context: StepContext): Promise<void> {
  const binary = context.plan.target.qemu?.binary;
  await Promise.all(
    byPriority(context.plan).map(async ({ name }) => {
      const { pid, saved } = await vms.get(name);
      if (pid !== null || saved !== true) return;
      await attempt(context, `VM ${name} could not be restored; its state is kept`, async () => {
        try {
          await vms.restoreInPlace(name, binary === undefined ? {} : { binary });
        } catch (error) {
          if (binary === undefined) throw error;
          context.log(`VM ${name} goes back into its old QEMU: ${String(error)}`);
          await vms.restoreInPlace(name);
        }
      });
    }),
  );
}
