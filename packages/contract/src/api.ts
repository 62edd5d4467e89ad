import { z } from 'zod';
import { checkSchema } from './check.ts';
import { handoverKindSchema, planRequestSchema, planStepSchema, qemuTargetSchema } from './plan.ts';
import { sizeSchema } from './size.ts';
import { vmNameSchema, vmSpecSchema } from './spec.ts';

/** Bodies of the agent's HTTP API; paths and methods are in the OpenAPI document (docs/openapi.json). */
export const errorBodySchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
});

export const hostSchema = z.object({
  hostname: z.string(),
  version: z.string().describe("Exuvia's version"),
  kernel: z.string(),
  bootId: z.string(),
  qemu: z.string().nullable(),
  kernels: z.array(z.string()).describe('Installed kernel releases'),
  packages: z.record(z.string(), z.string()).describe('Versions of the packages that matter'),
  sources: z.array(z.string()).default([]).describe('Where apt takes packages from: URI and suite'),
  qemus: z.array(qemuTargetSchema).default([]).describe('Further QEMUs that agent.yaml names'),
  cpuModel: z.string(),
  cpus: z.int(),
  memoryBytes: z.int(),
  hypervisor: z.string().nullable(),
  store: z
    .object({
      kind: z.literal('dax'),
      device: z.string(),
      mountPoint: z.string(),
      physicalStart: z.int().nullable(),
      sizeBytes: z.int(),
      freeBytes: z.int(),
    })
    .nullable(),
  update: z.string().nullable().describe('The update that is running, if any'),
});
export type Host = z.infer<typeof hostSchema>;

export const vmStateSchema = z.enum(['running', 'paused', 'stopped', 'failed']);

export const vmSchema = z.object({
  name: vmNameSchema,
  state: vmStateSchema,
  spec: vmSpecSchema,
  pid: z.int().nullable(),
  scope: z.string().nullable(),
  startedAt: z.string().nullable(),
  ramFile: z.string().nullable(),
  console: z.string().nullable(),
  qemu: z.string().nullable().optional().describe('Version of the QEMU that it runs in'),
  nics: z
    .array(z.object({ mac: z.string(), bridge: z.string().nullable(), tap: z.string().nullable() }))
    .optional()
    .describe('Its NICs as guest and host know them; without bridge and tap: user-mode'),
  reason: z.string().optional().describe('Why it is paused or failed'),
  saved: z.boolean().optional().describe('A state that was not restored lies in the store'),
});
export type Vm = z.infer<typeof vmSchema>;

/** The longest that a guest is waited for. */
export const MAX_STOP_MS = 3_600_000;

export const stopRequestSchema = z.strictObject({
  timeoutMs: z
    .int()
    .min(0)
    .max(MAX_STOP_MS)
    .default(60_000)
    .describe('So long the guest may take to power down; then its QEMU is ended'),
});

/** What a guest's heartbeat page says (docs/heartbeat.md). Counters are text: they have 64 bits. */
export const heartbeatSchema = z.object({
  name: z.string(),
  bootId: z.string(),
  sequence: z.string(),
  monotonicNs: z.string(),
  realtimeNs: z.string(),
  verified: z.string(),
  errors: z.string(),
  written: z.string(),
  clockBackwards: z.string(),
});
export type HeartbeatBody = z.infer<typeof heartbeatSchema>;

export const doctorSchema = z.object({
  checks: z.array(checkSchema),
  handovers: z.array(
    z.object({ handover: handoverKindSchema, possible: z.boolean(), reasons: z.array(z.string()) }),
  ),
});
export type Doctor = z.infer<typeof doctorSchema>;

export const setupRequestSchema = z.strictObject({ memory: sizeSchema });
export const setupResultSchema = z.object({
  state: z.enum(['ready', 'reboot-needed', 'undone']),
  region: z.object({ start: z.int(), size: z.int() }).nullable(),
  source: z.enum(['memmap', 'type-7', 'nvdimm']).nullable(),
  changedFiles: z.array(z.string()),
  message: z.string(),
});
export type SetupResult = z.infer<typeof setupResultSchema>;

/** The step under which faults happen in the new kernel, before its userland. */
export const EARLY_RESTORE = 'early-restore';

/** The step that tries out whether each VM can be taken up again. */
export const REHEARSAL = 'rehearse';

/** How the reason of an update begins that was undone because of this step. */
export function failureOfStep(step: string): string {
  return `Step ${step} failed: `;
}

/** Faults that tests inject for real; refused unless the agent's configuration allows it. */
export const faultSchema = z.strictObject({
  step: z.string(),
  /**
   * `hold`: wait in front of the step until aborted or continued; `fail`: make it fail; `kill`: SIGKILL the agent.
   * In `early-restore`: `panic` the kernel, `hang` with its guardian, `stall` (hang without it), `fail` as a
   * whole, `kill` the QEMU of `vm`, or every one, `hold` it when it is restored, as one that refuses to let the guest run on.
   */
  action: z.enum(['hold', 'fail', 'kill', 'panic', 'hang', 'stall']),
  when: z.enum(['before', 'after']).default('after'),
  /** Of `early-restore`: at its start, before the VMs are restored, or when they run. */
  at: z.enum(['start', 'restore', 'resumed']).optional(),
  vm: vmNameSchema.optional(),
});
export type Fault = z.infer<typeof faultSchema>;

export const updateRequestSchema = z.strictObject({
  plan: z.string().optional().describe('Id of a plan made before; else what is wanted'),
  ...planRequestSchema.shape,
  fault: faultSchema.optional(),
});
export type UpdateRequest = z.infer<typeof updateRequestSchema>;

export const updateStateSchema = z.enum([
  'preparing',
  'pausing',
  'jumping',
  'verifying',
  'undoing',
  'completed',
  'aborted',
  'failed',
]);

export const updateSchema = z.object({
  id: z.string(),
  state: updateStateSchema,
  handover: handoverKindSchema,
  from: z.string(),
  to: z.string(),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  reason: z.string().nullable(),
  steps: z.array(
    planStepSchema.extend({
      state: z.enum(['pending', 'running', 'done', 'failed', 'undone']),
      ms: z.number().nullable(),
    }),
  ),
});
export type Update = z.infer<typeof updateSchema>;

/** What the server-sent event stream of an update carries. */
export const updateEventSchema = z.object({ at: z.string(), message: z.string(), update: updateSchema });
export type UpdateEvent = z.infer<typeof updateEventSchema>;
