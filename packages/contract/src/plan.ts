import { z } from 'zod';
import { checkSchema } from './check.ts';
import { phaseNameSchema } from './phase.ts';
import { vmNameSchema } from './spec.ts';

export const handoverKindSchema = z.enum(['kexec', 'reboot']);
export type HandoverKind = z.infer<typeof handoverKindSchema>;

export const kernelReleaseSchema = z
  .string()
  .regex(/^[0-9][A-Za-z0-9.+~_-]{0,80}$/, 'must be a kernel release such as 7.2.12+deb13-cloud-amd64');

/** What a user asks for. `kernel` may be a release or the beginning of one (`7.2`). */
export const planRequestSchema = z.strictObject({
  kernel: kernelReleaseSchema,
  handover: handoverKindSchema.optional(),
});
export type PlanRequest = z.infer<typeof planRequestSchema>;

export const planStepSchema = z.object({
  name: z.string(),
  phase: phaseNameSchema.nullable().describe('null: happens while the VMs run'),
  description: z.string(),
});
export type PlanStep = z.infer<typeof planStepSchema>;

/** Computed beforehand, never changed afterwards. */
export const planSchema = z.object({
  version: z.literal(1),
  id: z.string().regex(/^[0-9a-z-]{1,64}$/),
  createdAt: z.iso.datetime(),
  host: z.object({ hostname: z.string(), bootId: z.string(), kernel: z.string(), qemu: z.string() }),
  target: z.object({ kernel: z.string() }),
  handover: handoverKindSchema,
  store: z.enum(['dax', 'disk']),
  vms: z.array(z.object({ name: vmNameSchema, priority: z.int(), memoryBytes: z.int() })),
  leftOut: z
    .array(z.object({ name: vmNameSchema, action: z.enum(['shutdown', 'leave']) }))
    .default([])
    .describe('VMs that cannot be saved and are treated as their specs say'),
  checks: z.array(checkSchema),
  steps: z.array(planStepSchema),
  expectedBlackoutMs: z.number().nullable().describe('Median of past updates of this kind; null without one'),
  aptLine: z.string().nullable().describe('The apt line that brings what is missing'),
  executable: z.boolean(),
});
export type Plan = z.infer<typeof planSchema>;
