import { kernelRelease, readIfExists } from '@exuvia/sys';
import { z } from 'zod';
import type { Salvage, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { startLeftOut } from '../shared/left-out.ts';
import { buildReport } from '../shared/report.ts';
import { parseStamps } from '../shared/stamp-lines.ts';
import { verifyVms } from '../shared/verify.ts';
import { goneBackBy } from './arrival.ts';
import { cleanUp } from './clean-up.ts';
import { disarmFallback, whyGoneBack } from './fallback.ts';
import { RESTORE_RECORD } from './layout.ts';
import { restorePanicTimeout } from './panic-timeout.ts';
import { restoreTheRest } from './restore-rest.ts';
import { withOwnQemus } from './runtimes.ts';
import { timingsOf } from './timings.ts';
import { stopJumpWatchdog } from './watchdog.ts';

/** A restore that crashes the host is not tried for ever. */
const MAX_ATTEMPTS = 2;

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
  const tried = await countAttempt(context);
  if (tried <= MAX_ATTEMPTS)
    await restoreTheRest(dependencies, { ...context, plan: withOwnQemus(plan) }, after);
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
    tried > MAX_ATTEMPTS ? 'Restoring was tried twice in a row and is not tried again by itself.' : '',
    await sentenceOf(dependencies, context),
  ];
  await attempt(context, 'Files of the update stay behind', () =>
    cleanUp(dependencies, { ...context, plan: withOwnQemus(plan) }),
  );
  return { report, reason: reason.filter((part) => part !== '').join(' '), wentBack };
}

/** Durable before anything is tried. */
async function countAttempt(context: StepContext): Promise<number> {
  const before = z
    .int()
    .catch(0)
    .parse(await context.recall('salvage-attempts'));
  // On a full disk nothing can be counted: better one attempt too many than VMs that nobody takes up.
  await context.remember('salvage-attempts', before + 1).catch(() => {});
  return before + 1;
}

async function whyReset(context: StepContext): Promise<string> {
  const jumped = kernelRelease() === context.plan.host.kernel ? '' : ` It runs ${kernelRelease()} now.`;
  return `The machine was reset in the update, or its new kernel did not come up.${jumped}`;
}

/** What became of the VMs, and what to do for those that do not run. */
async function sentenceOf({ vms }: HandoverDependencies, { plan }: StepContext): Promise<string> {
  const found = await Promise.all(plan.vms.map(({ name }) => vms.get(name)));
  const halted = found.filter(({ state }) => state !== 'running');
  if (halted.length === 0) return plan.vms.length === 1 ? 'Its VM runs.' : `All ${plan.vms.length} VMs run.`;
  const kept = halted.filter(({ saved }) => saved === true).map(({ name }) => name);
  const lost = halted.filter(({ saved }) => saved !== true).map(({ name }) => name);
  const sentences = [`${plan.vms.length - halted.length} of ${plan.vms.length} VMs run.`];
  if (kept.length > 0)
    sentences.push(`The saved state is kept of: ${kept.join(', ')}; see \`exuvia recover\`.`);
  if (lost.length > 0)
    sentences.push(`No state is left of: ${lost.join(', ')}; \`exuvia vm start\` starts from the disks.`);
  return sentences.join(' ');
}
