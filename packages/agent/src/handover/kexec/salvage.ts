import { kernelRelease, readIfExists } from '@exuvia/sys';
import type { Salvage, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { mayTry, TRIED_ENOUGH } from '../shared/attempts.ts';
import { startLeftOut } from '../shared/left-out.ts';
import { withOwnQemus } from '../shared/own-qemus.ts';
import { buildReport } from '../shared/report.ts';
import { parseStamps } from '../shared/stamp-lines.ts';
import { verifyVms } from '../shared/verify.ts';
import { whatBecame } from '../shared/what-became.ts';
import { goneBackBy } from './arrival.ts';
import { cleanUp } from './clean-up.ts';
import { disarmFallback, whyGoneBack } from './fallback.ts';
import { RESTORE_RECORD } from './layout.ts';
import { restorePanicTimeout } from './panic-timeout.ts';
import { restoreTheRest } from './restore-rest.ts';
import { timingsOf } from './timings.ts';
import { stopJumpWatchdog } from './watchdog.ts';

/**
 * The update's jump has not led here: its new kernel has gone back to this one, or the machine was reset (a panic, the
 * watchdog, power), after the jump or in the pause. A VM whose state is sealed and whose memory is what it was is
 * taken up; the state of any other is kept for `exuvia recover`.
 */
export async function salvageKexec(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<Salvage> {
  const { plan } = context;
  await attempt(context, 'The watchdog runs on', () => stopJumpWatchdog(context));
  await dependencies.vms.adopt();
  const wentBack = await goneBackBy(plan.id);
  const after = parseStamps(wentBack ? ((await readIfExists(RESTORE_RECORD)) ?? '') : '');
  const tries = await mayTry(context);
  if (tries) await restoreTheRest(dependencies, { ...context, plan: withOwnQemus(plan) }, after);
  const vms = await verifyVms(dependencies, context);
  await attempt(context, 'The boot loader starts the old kernel next', () => disarmFallback(context));
  await attempt(context, 'kernel.panic stays as the update set it', () => restorePanicTimeout(context));
  if (wentBack) await startLeftOut(dependencies, context);
  const report = await buildReport(
    dependencies,
    context,
    wentBack ? await timingsOf(context, after) : null,
    vms,
  );
  const reason = [
    wentBack
      ? `The new kernel could not restore the VMs: ${await whyGoneBack(context)}.`
      : await whyReset(context),
    wentBack ? `The host went back to ${kernelRelease()}.` : '',
    tries ? '' : TRIED_ENOUGH,
    await whatBecame(dependencies, context),
  ];
  await attempt(context, 'Files of the update stay behind', () =>
    cleanUp(dependencies, { ...context, plan: withOwnQemus(plan) }),
  );
  return { report, reason: reason.filter((part) => part !== '').join(' '), wentBack };
}

async function whyReset(context: StepContext): Promise<string> {
  const jumped = kernelRelease() === context.plan.host.kernel ? '' : ` It runs ${kernelRelease()} now.`;
  return `The machine was reset in the update, or its new kernel did not come up.${jumped}`;
}
