import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { byPriority } from '../shared/parallel.ts';
import { restoreAll } from '../shared/restore-all.ts';
import { restoreInTarget } from '../shared/restore-in-target.ts';
import type { VerifiedVm } from '../shared/verify.ts';
import { savedFile } from './layout.ts';

/**
 * Takes up every VM that waits, in the store or in its file, in the order of priority, all at once. One without a saved
 * state was taken up before this agent was killed, or was never saved. Idempotent.
 */
export async function restoreWaiting(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<void> {
  if (context.plan.store === 'dax') await restoreAll(dependencies, context);
  else await restoreFromFiles(dependencies, context);
}

async function restoreFromFiles({ vms }: HandoverDependencies, context: StepContext): Promise<void> {
  await Promise.all(
    byPriority(context.plan).map(({ name }) =>
      attempt(
        context,
        `VM ${name} could not be restored; its state is kept in ${savedFile(name)}`,
        async () => {
          const { state, pid, saved } = await vms.get(name);
          if (state === 'running' || (pid === null && saved !== true)) return;
          await restoreInTarget(context, name, (options) => vms.restoreFrom(name, savedFile(name), options));
        },
      ),
    ),
  );
}

/** The store has outlived the restart only if every VM that waited in it was whole. */
export async function judgeStore(
  { store }: HandoverDependencies,
  context: StepContext,
  verified: readonly VerifiedVm[],
): Promise<void> {
  const whole = context.plan.store === 'disk' || verified.every(({ outcome }) => outcome !== 'lost');
  await attempt(context, 'Whether the store outlives a restart is not known', () => store.judgeReset(whole));
}
