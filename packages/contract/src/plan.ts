import { z } from 'zod';
import { checkSchema } from './check.ts';
import { phaseNameSchema } from './phase.ts';
import { type OnFailure, onFailureSchema, vmNameSchema } from './spec.ts';

/** How control passes from old software to new, the cheapest first. */
export const handoverKindSchema = z.enum(['vmm', 'module', 'kexec', 'reboot']);
export type HandoverKind = z.infer<typeof handoverKindSchema>;

/** The kernel runs on through an update of these kinds, and the agent with it. */
export function staysInBoot(kind: HandoverKind): boolean {
  return kind === 'vmm' || kind === 'module';
}

/**
 * Whether an update of this kind goes on without a VM that it cannot carry, as the VM's spec says. One that runs on holds
 * the modules; one that ends with the machine, unasked, loses more than a state.
 */
export function mayBeLeftOut(kind: HandoverKind, onFailure: OnFailure): onFailure is 'shutdown' | 'leave' {
  return onFailure === 'shutdown' || (onFailure === 'leave' && (kind === 'vmm' || kind === 'kexec'));
}

export const kernelReleaseSchema = z
  .string()
  .regex(/^[0-9][A-Za-z0-9.+~_-]{0,80}$/, 'must be a kernel release such as 7.2.12+deb13-cloud-amd64');

/** How a VM gets another QEMU under the same kernel (QEMU's migration modes; `in-place`: cpr-reboot). */
export const vmmMethodSchema = z.enum(['cpr-transfer', 'cpr-exec', 'in-place']);
export type VmmMethod = z.infer<typeof vmmMethodSchema>;

export const moduleNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be the name of a kernel module');

/** The most VMs that change their QEMU at once. */
export const MAX_PARALLEL = 64;

const wishes = {
  kernel: kernelReleaseSchema.optional().describe('A release, or the beginning of one (`7.2`)'),
  qemu: z
    .string()
    .regex(/^(\/[^\0\n,]{1,255}|[0-9][0-9.]{0,20})$/, 'must be a version such as 11.1, or an absolute path')
    .optional()
    .describe('Another QEMU for the running VMs: its version, or the beginning of it, or its path'),
  modules: z
    .array(moduleNameSchema)
    .min(1)
    .max(32)
    .optional()
    .describe('Kernel modules to load anew from their files'),
  all: z.boolean().optional().describe('Everything that is installed and newer than what runs'),
  handover: handoverKindSchema.optional().describe('An order; absent: the cheapest that does it'),
  method: vmmMethodSchema.optional().describe('For the handover vmm; absent: the cheapest that QEMU can'),
  parallel: z
    .int()
    .min(1)
    .max(MAX_PARALLEL)
    .optional()
    .describe('At most so many VMs at once change their QEMU; default: 1'),
};

/** What a user asks for. */
export const planRequestSchema = z.strictObject(wishes);
export type PlanRequest = z.infer<typeof planRequestSchema>;

export const planStepSchema = z.object({
  name: z.string(),
  phase: phaseNameSchema.nullable().describe('null: happens while the VMs run'),
  description: z.string(),
});
export type PlanStep = z.infer<typeof planStepSchema>;

export const qemuTargetSchema = z.object({
  binary: z.string(),
  version: z.string(),
  package: z.string().describe('The distribution’s version; empty for a build of one’s own'),
});
export type QemuTarget = z.infer<typeof qemuTargetSchema>;

const targetSchema = z.object({
  kernel: z.string(),
  qemu: qemuTargetSchema.nullable().default(null).describe('null: every VM keeps the QEMU that it has'),
  modules: z.array(z.string()).default([]).describe('Loaded anew from their files'),
});

export const alternativeSchema = z.object({
  handover: z.enum(['livepatch', ...handoverKindSchema.options]),
  reaches: z.boolean().describe('It brings everything that was asked for'),
  possible: z.boolean().describe('Nothing on this host stands in its way'),
  chosen: z.boolean(),
  expectedBlackoutMs: z.number().nullable().describe('Median of past updates of this kind; null without one'),
  reason: z.string(),
});
export type Alternative = z.infer<typeof alternativeSchema>;

export const livepatchSchema = z.object({
  name: z.string(),
  carried: z.boolean().describe('It is in force after the update'),
  reason: z.string(),
});
export type Livepatch = z.infer<typeof livepatchSchema>;

/** Computed beforehand, never changed afterwards. */
export const planSchema = z.object({
  version: z.literal(1),
  id: z.string().regex(/^[0-9a-z-]{1,64}$/),
  createdAt: z.iso.datetime(),
  host: z.object({ hostname: z.string(), bootId: z.string(), kernel: z.string(), qemu: z.string() }),
  target: targetSchema,
  handover: handoverKindSchema,
  store: z.enum(['dax', 'disk']).describe('Where the VMs’ memory waits'),
  vms: z.array(
    z.object({
      name: vmNameSchema,
      priority: z.int(),
      memoryBytes: z.int(),
      onFailure: onFailureSchema.default('abort'),
      qemu: z.string().nullable().default(null).describe('The QEMU that it runs in when the plan is made'),
      method: vmmMethodSchema
        .nullable()
        .default(null)
        .describe('How it gets another QEMU; for the handover vmm'),
    }),
  ),
  leftOut: z
    .array(z.object({ name: vmNameSchema, action: z.enum(['shutdown', 'leave']) }))
    .default([])
    .describe('VMs that cannot be saved and are treated as their specs say'),
  parallel: z.int().default(1).describe('So many VMs at once change their QEMU'),
  checks: z.array(checkSchema),
  steps: z.array(planStepSchema),
  alternatives: z
    .array(alternativeSchema)
    .default([])
    .describe('Every way to update a host, the cheapest first, and why it was or was not taken'),
  livepatches: z
    .array(livepatchSchema)
    .default([])
    .describe('Loaded kernel livepatches, and what becomes of them'),
  expectedBlackoutMs: z.number().nullable().describe('Median of past updates of this kind; null without one'),
  aptLine: z.string().nullable().describe('The apt line that brings what is missing'),
  executable: z.boolean(),
});
export type Plan = z.infer<typeof planSchema>;
