import type { Salvage, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { mayTry, TRIED_ENOUGH } from '../shared/attempts.ts';
import { forgetNextKernel } from '../shared/default-kernel.ts';
import { withOwnQemus } from '../shared/own-qemus.ts';
import { buildReport } from '../shared/report.ts';
import { verifyVms } from '../shared/verify.ts';
import { whatBecame } from '../shared/what-became.ts';
import { judgeStore, restoreWaiting } from './restore.ts';

/**
 * The machine went down before the update restarted it. A VM that was saved by then has not executed an instruction since,
 * or its state would have been removed: it is taken up, in the QEMU that saved it, if state and memory are whole.
 */
export async function salvageReboot(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<Salvage> {
  const tries = await mayTry(context);
  if (tries) await restoreWaiting(dependencies, { ...context, plan: withOwnQemus(context.plan) });
  const verified = await verifyVms(dependencies, context);
  await judgeStore(dependencies, context, verified);
  await attempt(context, 'The boot loader may keep its choice for one boot', forgetNextKernel);
  const report = await buildReport(dependencies, context, null, verified);
  const reason = [
    'The machine went down before the update restarted it.',
    ...(tries ? [] : [TRIED_ENOUGH]),
    await whatBecame(dependencies, context),
  ];
  return { report, reason: reason.join(' '), wentBack: false };
}
