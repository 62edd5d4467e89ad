import { z } from 'zod';
import { hostSchema } from './api.ts';
import { phaseTimingSchema } from './phase.ts';
import { handoverKindSchema } from './plan.ts';
import { vmNameSchema } from './spec.ts';

/** What somebody outside the host saw of a VM during an update: the truth about the blackout. */
export const observationSchema = z.strictObject({
  observer: z.string().min(1).max(64),
  clock: z.string().max(200).describe('Which clock the observer used'),
  vms: z
    .array(
      z.strictObject({
        name: vmNameSchema,
        blackoutMs: z
          .number()
          .nonnegative()
          .describe('The largest gap between two heartbeats around the update'),
        bootIdSame: z.boolean(),
        sequenceMonotonic: z.boolean(),
        integrity: z.enum(['ok', 'failed', 'unknown']),
        /** [ms since the first sample, gap in ms], thinned for the plot. */
        gaps: z.array(z.tuple([z.number(), z.number()])).max(2000),
      }),
    )
    .max(1000),
});
export type Observation = z.infer<typeof observationSchema>;

export const reportSchema = z.object({
  version: z.literal(1),
  update: z.string(),
  outcome: z.enum(['completed', 'aborted', 'failed', 'running']),
  reason: z.string().nullable(),
  handover: handoverKindSchema,
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  host: z.object({
    hostname: z.string(),
    kernelBefore: z.string(),
    kernelAfter: z.string(),
    qemu: z.string(),
    cpuModel: z.string(),
    cpus: z.int(),
    hypervisor: z.string().nullable().describe('What the host itself runs on, null on bare metal'),
    ...hostSchema.pick({ packages: true, sources: true, qemus: true }).shape,
  }),
  /** All ten, in order; empty when the update never paused a VM. */
  phases: z.array(phaseTimingSchema),
  vms: z.array(
    z.object({
      name: vmNameSchema,
      outcome: z
        .enum(['running', 'lost', 'untouched', 'left', 'paused'])
        .describe(
          'left: it could not be saved and ended with the old kernel, as its spec says; paused: it is restored, but its QEMU did not let it run on',
        ),
      phases: z.array(phaseTimingSchema).describe("The VM's own times where they differ from the host's"),
      pausedMs: z
        .number()
        .nullable()
        .describe(
          "For how long the host held the VM, by its own clocks; never called a blackout. By kexec and by a transfer to another QEMU from the VM's own stop to its own resume, a lower bound; else from the step that stopped the VMs until the last of them was seen to run, an upper bound",
        ),
      bootIdSame: z.boolean().nullable().describe('null: the VM has no heartbeat page'),
      heartbeatContinued: z
        .boolean()
        .nullable()
        .describe('null: the VM has no heartbeat page, or its heart did not beat before the update either'),
      clock: z
        .object({
          offsetMs: z.number().describe('Positive: the guest is ahead'),
          uncertaintyMs: z.number().nonnegative(),
        })
        .nullable()
        .default(null)
        .describe(
          'How its wall clock differs from the host’s after its guest agent has set it; null: nobody has set it',
        ),
    }),
  ),
  totalMs: z.number().nullable().describe('First stop to last resume; by vmm the pause of the slowest VM'),
  phaseSumMs: z.number().nullable(),
  deviationPct: z
    .number()
    .nullable()
    .describe(
      '|sum - total| / total * 100, flagged above 2; null where the phases are cut out of the total (every handover but kexec)',
    ),
  initramfsBytes: z.number().nullable(),
  observation: observationSchema.nullable(),
});
export type Report = z.infer<typeof reportSchema>;

/** The phases may differ from the total by this much before a report is flagged. */
export const PHASE_SUM_TOLERANCE_PCT = 2;
