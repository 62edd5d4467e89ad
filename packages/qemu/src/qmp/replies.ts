import { z } from 'zod';

/** The replies that Exuvia reads, checked where they arrive. Unknown members are ignored, as QMP asks. */
export const versionSchema = z.object({
  qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }),
  package: z.string(),
});

export const statusSchema = z.object({ running: z.boolean(), status: z.string() });
export type VmStatus = z.infer<typeof statusSchema>;

export const migrationSchema = z.object({
  status: z.string().optional(),
  'error-desc': z.string().optional(),
  'blocked-reasons': z.array(z.string()).optional(),
  'total-time': z.number().optional(),
  downtime: z.number().optional(),
});
export type MigrationInfo = z.infer<typeof migrationSchema>;

export const migrationParametersSchema = z.object({ mode: z.string().optional() });

export const machinesSchema = z.array(z.object({ name: z.string(), deprecated: z.boolean().optional() }));

export const propertiesSchema = z.array(z.object({ name: z.string() }));

export const blockSchema = z.array(
  z.object({
    qdev: z.string().optional(),
    inserted: z.object({ 'node-name': z.string().optional() }).optional(),
  }),
);

export const blockNodesSchema = z.array(z.object({ drv: z.string(), file: z.string(), ro: z.boolean() }));
