import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { PHASE_SUM_TOLERANCE_PCT, type Report, type Vm } from '@exuvia/contract';
import { detectBootLoader, readIfExists } from '@exuvia/sys';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { clockReadingSchema } from './clock.ts';
import { handoverFiles, RESTORE_RECORD } from './layout.ts';
import { installRuntime, removeOldRuntimes } from './runtime.ts';
import { computeTimings, parseStamps, type Stamps, type Timings, tscKhz } from './stamps.ts';

const heartbeatsSchema = z.record(z.string(), z.object({ bootId: z.string(), sequence: z.string() }));
const HEARTBEAT_TIMEOUT_MS = 20_000;

/**
 * The new side's part: adopts and verifies the VMs, makes the kernel the default of the boot loader, removes
 * what the update needed, and reports. Every part may be done again: the agent can be killed anywhere.
 */
export async function finishKexec(dependencies: HandoverDependencies, context: StepContext): Promise<Report> {
  const { plan } = context;
  await dependencies.vms.adopt();
  const after = parseStamps((await readIfExists(RESTORE_RECORD)) ?? '');
  await restoreTheRest(dependencies, context, after);
  const vms = await Promise.all(plan.vms.map(({ name }) => verifyVm(dependencies, context, name)));
  const timings = await timingsOf(context, after);
  await attempt(context, 'The boot loader keeps its old default', async () => {
    await (await detectBootLoader())?.setDefaultKernel(plan.target.kernel);
  });
  const report = await buildReport(dependencies, context, timings, vms);
  await attempt(context, 'Files of the update stay behind', () => cleanUp(context));
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
    context.log(`VM ${name} was not restored early: ${fate?.detail ?? 'the early restore did not run'}`);
    await attempt(context, `VM ${name} could not be restored; its state is kept`, () =>
      vms.restoreInPlace(name),
    );
  }
}

async function verifyVm(
  { vms, heartbeat }: HandoverDependencies,
  context: StepContext,
  name: string,
): Promise<Pick<Report['vms'][number], 'name' | 'outcome' | 'bootIdSame' | 'heartbeatContinued'>> {
  const vm: Vm = await vms.get(name);
  if (vm.state !== 'running') return { name, outcome: 'lost', bootIdSame: null, heartbeatContinued: null };
  const before = heartbeatsSchema.catch({}).parse(await context.recall('heartbeats'))[name];
  if (before === undefined) return { name, outcome: 'running', bootIdSame: null, heartbeatContinued: null };
  const deadline = Date.now() + HEARTBEAT_TIMEOUT_MS;
  for (;;) {
    const now = await heartbeat(name);
    const continued = now !== null && now.sequence > BigInt(before.sequence);
    if (continued || Date.now() > deadline) {
      const bootIdSame = now?.bootId === before.bootId;
      return { name, outcome: bootIdSame ? 'running' : 'lost', bootIdSame, heartbeatContinued: continued };
    }
    await setTimeout(100);
  }
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

async function buildReport(
  { host }: HandoverDependencies,
  context: StepContext,
  timings: Timings | null,
  vms: readonly Pick<Report['vms'][number], 'name' | 'outcome' | 'bootIdSame' | 'heartbeatContinued'>[],
): Promise<Report> {
  const { plan } = context;
  const now = await host();
  const phaseSumMs = timings === null ? null : timings.phases.reduce((sum, { ms }) => sum + ms, 0);
  const totalMs = timings?.totalMs ?? null;
  const deviationPct =
    phaseSumMs === null || totalMs === null ? null : (Math.abs(phaseSumMs - totalMs) / totalMs) * 100;
  if (deviationPct !== null && deviationPct > PHASE_SUM_TOLERANCE_PCT) {
    context.log(`the phases miss the total by ${deviationPct.toFixed(1)} %`);
  }
  return {
    version: 1,
    update: plan.id,
    outcome: 'completed',
    reason: null,
    handover: 'kexec',
    startedAt: plan.createdAt,
    finishedAt: new Date().toISOString(),
    host: {
      hostname: now.hostname,
      kernelBefore: plan.host.kernel,
      kernelAfter: now.kernel,
      qemu: now.qemu ?? plan.host.qemu,
      cpuModel: now.cpuModel,
      cpus: now.cpus,
      hypervisor: now.hypervisor,
      packages: now.packages,
    },
    phases: [...(timings?.phases ?? [])],
    vms: vms.map((vm) => ({
      ...vm,
      phases: [...(timings?.perVm.get(vm.name) ?? [])],
      pausedMs: timings?.pausedMs.get(vm.name) ?? null,
    })),
    totalMs,
    phaseSumMs,
    deviationPct,
    initramfsBytes: z
      .int()
      .nullable()
      .catch(null)
      .parse((await context.recall('initramfs-bytes')) ?? null),
    observation: null,
  };
}

async function cleanUp(context: StepContext): Promise<void> {
  await rm(join(context.directory, 'initramfs'), { force: true });
  await rm(join(context.directory, 'pause-plan'), { force: true });
  await rm(handoverFiles(context.plan.id).directory, { recursive: true, force: true });
  await removeOldRuntimes(await installRuntime('/usr/bin/qemu-system-x86_64'));
}

async function attempt(context: StepContext, failure: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    context.log(`${failure}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
