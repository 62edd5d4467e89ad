import type { Report } from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { makeDefault } from '../shared/default-kernel.ts';
import { buildReport } from '../shared/report.ts';
import { type VerifiedVm, verifyVms } from '../shared/verify.ts';
import { cleanUp } from './clean-up.ts';
import { disarmFallback, stopJumpWatchdog } from './fallback.ts';
import { RESTORE_RECORD } from './layout.ts';
import { startLeftOut } from './left-out.ts';
import { restorePanicTimeout } from './panic-timeout.ts';
import { restoreTheRest } from './restore-rest.ts';
import { parseStamps, type Stamps } from './stamps.ts';
import { timingsOf } from './timings.ts';

/**
 * The new side's part: adopts and verifies the VMs, makes the kernel the default of the boot loader, removes
 * what the update needed, and reports. Every part may be done again: the agent can be killed anywhere.
 */
export async function finishKexec(dependencies: HandoverDependencies, context: StepContext): Promise<Report> {
  const { plan } = context;
  await attempt(context, 'The watchdog runs on', () => stopJumpWatchdog(context));
  await dependencies.vms.adopt();
  const after = parseStamps((await readIfExists(RESTORE_RECORD)) ?? '');
  await restoreTheRest(dependencies, context, after);
  const vms = (await verifyVms(dependencies, context)).map((vm) => asLeft(vm, after));
  const timings = await timingsOf(context, after);
  await attempt(context, 'The boot loader keeps its old default', () => makeDefault(plan.target.kernel));
  await attempt(context, 'The boot loader starts the old kernel next', () => disarmFallback(context));
  await attempt(context, 'kernel.panic stays as the update set it', () => restorePanicTimeout(context));
  await startLeftOut(dependencies, context);
  const report = await buildReport(dependencies, context, timings, vms);
  await attempt(context, 'Files of the update stay behind', () => cleanUp(context));
  return report;
}

/** What native/early-restore says of a VM that could not be saved and that may be left behind. */
const LEFT = /^it could not be saved and was left behind/;

function asLeft(vm: VerifiedVm, { fates }: Stamps): VerifiedVm {
  return LEFT.test(fates.get(vm.name)?.detail ?? '') ? { ...vm, outcome: 'left' } : vm;
}
