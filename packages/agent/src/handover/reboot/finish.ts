import type { Report } from '@exuvia/contract';
import { kernelRelease } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { forgetNextKernel, makeDefault } from '../shared/default-kernel.ts';
import { loadLivepatches } from '../shared/livepatches.ts';
import { buildReport } from '../shared/report.ts';
import { verifyVms } from '../shared/verify.ts';
import { judgeStore, restoreWaiting } from './restore.ts';
import { noteTime, rebootTimings } from './times.ts';

/** In the boot that the restart led to: takes up every VM, verifies, and reports. */
export async function finishReboot(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<Report> {
  const { plan } = context;
  // On a disk that the saved VMs have filled it is their restore that makes room.
  await attempt(context, 'The phases are not known', () => noteTime(context, 'agent'));
  await restoreWaiting(dependencies, context);
  await attempt(context, 'The phases are not known', () => noteTime(context, 'restored'));
  const verified = await verifyVms(dependencies, context);
  await judgeStore(dependencies, context, verified);
  const problem = whyNotReached(plan.target.kernel);
  if (problem === null) await loadLivepatches(context);
  await attempt(context, 'The boot loader may keep its choice for one boot', forgetNextKernel);
  await attempt(context, 'The boot loader keeps its old default', () => makeDefault(plan.target.kernel));
  const report = await buildReport(dependencies, context, await rebootTimings(context), verified);
  return { ...report, reason: problem };
}

/** The boot loader starts the new kernel once: whatever becomes of that, the next restart brings the old one. */
function whyNotReached(wanted: string): string | null {
  const running = kernelRelease();
  return running === wanted
    ? null
    : `Kernel ${wanted} did not come up, or was not started: the host runs ${running}.`;
}
