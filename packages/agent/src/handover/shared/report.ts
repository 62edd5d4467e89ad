import { PHASE_SUM_TOLERANCE_PCT, type PhaseTiming, type Report } from '@exuvia/contract';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import type { VerifiedVm } from './verify.ts';

/** When what happened. */
export interface Timings {
  /** The ten phases, in order. */
  readonly phases: readonly PhaseTiming[];
  readonly perVm: ReadonlyMap<string, readonly PhaseTiming[]>;
  /** First VM stopped to last VM resumed, ms. */
  readonly totalMs: number;
  /** The total comes from readings of its own; else the phases are cut out of it, and always add up to it. */
  readonly totalIsApart: boolean;
  readonly pausedMs: ReadonlyMap<string, number>;
}

/** Puts a report together; `null` timings are reported as unknown. */
export async function buildReport(
  { host }: HandoverDependencies,
  context: StepContext,
  timings: Timings | null,
  vms: readonly VerifiedVm[],
): Promise<Report> {
  const { plan } = context;
  const now = await host();
  const phaseSumMs = timings === null ? null : timings.phases.reduce((sum, { ms }) => sum + ms, 0);
  const totalMs = timings?.totalMs ?? null;
  const apart = timings?.totalIsApart === true;
  const deviationPct =
    !apart || phaseSumMs === null || totalMs === null
      ? null
      : (Math.abs(phaseSumMs - totalMs) / totalMs) * 100;
  if (deviationPct !== null && deviationPct > PHASE_SUM_TOLERANCE_PCT) {
    context.log(`the phases miss the total by ${deviationPct.toFixed(1)} %`);
  }
  return {
    version: 1,
    update: plan.id,
    outcome: 'completed',
    reason: null,
    handover: plan.handover,
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
      sources: now.sources,
      qemus: now.qemus,
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
