import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { makeDefault } from '../shared/default-kernel.ts';
import { loadLivepatches } from '../shared/livepatches.ts';
import { buildReport, type Timings } from '../shared/report.ts';
import { parseStamps, type Stamps, tscKhz } from '../shared/stamp-lines.ts';
import { verifyVms } from '../shared/verify.ts';
import { clockReadingSchema } from './clock.ts';
import { handoverFiles, RESTORE_RECORD } from './layout.ts';
import { requireWhole } from './manifest.ts';
import { restorePanicTimeout } from './panic-timeout.ts';
import { removeBootFiles, removeOldRuntimes } from './runtime.ts';
import { installRuntimes } from './runtimes.ts';
import { computeTimings } from './stamps.ts';

/**
 * The new side's part: adopts and verifies the VMs, makes the kernel the default of the boot loader, removes
 * what the update needed, and reports. Every part may be done again: the agent can be killed anywhere.
 */
export async function finishKexec(dependencies: HandoverDependencies, context: StepContext): Promise<Report> {
  const { plan } = context;
  await dependencies.vms.adopt();
  const after = parseStamps((await readIfExists(RESTORE_RECORD)) ?? '');
  await restoreTheRest(dependencies, context, after);
  const vms = await verifyVms(dependencies, context);
  await recordQemu(dependencies, context);
  await loadLivepatches(context);
  const timings = await timingsOf(context, after);
  await attempt(context, 'The boot loader keeps its old default', () => makeDefault(plan.target.kernel));
  await attempt(context, 'kernel.panic stays as the update set it', () => restorePanicTimeout(context));
  const report = await buildReport(dependencies, context, timings, vms);
  await attempt(context, 'Files of the update stay behind', () => cleanUp(dependencies, context));
  return report;
}

/** VMs that the early restore did not bring back, but whose state is whole: their memory lies in the store. */
async function restoreTheRest(
  { vms }: HandoverDependencies,
  context: StepContext,
  after: Stamps,
): Promise<void> {
  for (const { name } of context.plan.vms) {
    if ((await vms.get(name)).state === 'running') continue;
    const fate = after.fates.get(name);
    context.log(`VM ${name} does not run: ${fate?.detail ?? 'the early restore did not run'}`);
    // A guest that has run on since has left its saved state behind.
    if (fate?.restored === true) continue;
    await attempt(context, `VM ${name} could not be restored; its state is kept`, async () => {
      await requireWhole(name, context);
      await vms.restoreInPlace(name);
    });
  }
}

/** The next restore starts the QEMU that this update has brought. */
async function recordQemu({ vms }: HandoverDependencies, { plan }: StepContext): Promise<void> {
  const binary = plan.target.qemu?.binary;
  if (binary === undefined) return;
  for (const { name } of plan.vms) await vms.successors.record(name, binary);
}

async function timingsOf(context: StepContext, after: Stamps): Promise<Timings | null> {
  const text = await readIfExists(handoverFiles(context.plan.id).stamps);
  const kept = text ?? (await context.recall('stamps'));
  if (typeof kept !== 'string') return null;
  // In the store they last only as long as nobody destroys the store; the update's directory keeps them.
  await context.remember('stamps', kept);
  const before = parseStamps(kept.replaceAll(/\n+/g, '\n'));
  const started = clockReadingSchema.safeParse(await context.recall('clock'));
  const jumped = before.clocks.at(-1);
  if (!started.success || jumped === undefined) return null;
  const khz = tscKhz({ tsc: BigInt(started.data.tsc), ns: BigInt(started.data.ns) }, jumped);
  if (khz === null) return null;
  try {
    return computeTimings(before, after, khz);
  } catch (error) {
    context.log(`The phases cannot be told: ${String(error)}`);
    return null;
  }
}

async function cleanUp(dependencies: HandoverDependencies, context: StepContext): Promise<void> {
  await rm(join(context.directory, 'initramfs'), { force: true });
  await rm(join(context.directory, 'pause-plan'), { force: true });
  await rm(handoverFiles(context.plan.id).directory, { recursive: true, force: true });
  await removeBootFiles();
  await removeOldRuntimes([...(await installRuntimes(dependencies, context.plan)).values()]);
}
