import type { Salvage, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { mayTry, TRIED_ENOUGH } from './attempts.ts';
import { withOwnQemus } from './own-qemus.ts';
import { buildReport } from './report.ts';
import { restoreAll } from './restore-all.ts';
import { verifyVms } from './verify.ts';
import { whatBecame } from './what-became.ts';

/**
 * The machine went down in an update that leaves the kernel alone. A VM that waited in the store has not executed an instruction
 * since, or its state would have been removed: it is taken up, in the QEMU that saved it, if state and memory are whole.
 */
export async function salvageWaiting(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<Salvage> {
  const tries = await mayTry(context);
  if (tries) await restoreAll(dependencies, { ...context, plan: withOwnQemus(context.plan) });
  const verified = await verifyVms(dependencies, context);
  const report = await buildReport(dependencies, context, null, verified);
  const reason = [
    'The machine went down in the update.',
    ...(tries ? [] : [TRIED_ENOUGH]),
    await whatBecame(dependencies, context),
  ];
  return { report, reason: reason.join(' '), wentBack: false };
}
