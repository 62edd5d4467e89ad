import type { Report } from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { makeDefault } from '../shared/default-kernel.ts';
import { startLeftOut } from '../shared/left-out.ts';
import { loadLivepatches } from '../shared/livepatches.ts';
import { buildReport } from '../shared/report.ts';
import { type Fate, parseStamps, type Stamps } from '../shared/stamp-lines.ts';
import { type VerifiedVm, verifyVms } from '../shared/verify.ts';
import { cleanUp } from './clean-up.ts';
import { disarmFallback } from './fallback.ts';
import { RESTORE_RECORD } from './layout.ts';
import { restorePanicTimeout } from './panic-timeout.ts';
import { restoreTheRest } from './restore-rest.ts';
import { timingsOf } from './timings.ts';
import { stopJumpWatchdog } from './watchdog.ts';

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
  await recordQemu(dependencies, context, after);
  await loadLivepatches(context);
  const timings = await timingsOf(context, after);
  await attempt(context, 'The boot loader keeps its old default', () => makeDefault(plan.target.kernel));
  await attempt(context, 'The boot loader starts the old kernel next', () => disarmFallback(context));
  await attempt(context, 'kernel.panic stays as the update set it', () => restorePanicTimeout(context));
  await startLeftOut(dependencies, context);
  const report = await buildReport(dependencies, context, timings, vms);
  await attempt(context, 'Files of the update stay behind', () => cleanUp(dependencies, context));
  return report;
}

function asLeft(vm: VerifiedVm, { fates }: Stamps): VerifiedVm {
  return fates.get(vm.name)?.fate === 'left' ? { ...vm, outcome: 'left' } : vm;
}

/** In the QEMU that the early restore started. */
function isThere(fate: Fate | undefined): boolean {
  return fate === 'restored' || fate === 'paused';
}

/** The next restore starts the QEMU that this update has brought. */
async function recordQemu(
  { vms }: HandoverDependencies,
  { plan }: StepContext,
  { fates }: Stamps,
): Promise<void> {
  const binary = plan.target.qemu?.binary;
  if (binary === undefined) return;
  for (const { name } of plan.vms) {
    // One that the early restore did not bring back was taken up by the agent, which has written down in which QEMU.
    if (isThere(fates.get(name)?.fate)) await vms.successors.record(name, binary);
  }
}
