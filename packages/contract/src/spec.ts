import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { cpuListSchema } from './cpus.ts';
import { ExuviaError } from './errors.ts';
import { MAX_NETWORKS, networkSchema } from './network.ts';
import { sizeSchema } from './size.ts';

/** VM names become path elements, systemd unit names and metric labels. */
export const vmNameSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,30}$/,
    'must be 1 to 31 lower-case letters, digits and hyphens, starting with a letter',
  );

const absolutePath = z
  .string()
  .regex(/^\/[^\0\n,]*$/, 'must be an absolute path without commas or line breaks')
  .refine((path) => !path.split('/').includes('..'), 'must not contain ".."');

const oneLine = z.string().regex(/^[^\0\n]*$/, 'must be a single line');

const diskSchema = z
  .strictObject({
    file: absolutePath.describe('Image file or block device on the host'),
    format: z.enum(['raw', 'qcow2']).default('qcow2'),
    cache: z.enum(['none', 'writeback', 'directsync', 'writethrough']).default('writeback'),
    readOnly: z.boolean().default(false),
  })
  .describe('A virtio-blk disk');

const bootSchema = z.union([
  z.strictObject({
    kernel: absolutePath,
    initrd: absolutePath.optional(),
    cmdline: oneLine.default(''),
  }),
  z.strictObject({ firmware: absolutePath }),
]);

const limitsSchema = z
  .strictObject({
    cpuWeight: z.int().min(1).max(10_000).optional().describe('Share of busy CPUs; others have 100'),
    cpuQuota: z
      .string()
      .regex(/^[1-9][0-9]{0,4}%$/, 'must be a percentage of one CPU such as 150%')
      .optional()
      .describe('CPU time at most, of one CPU: 150% is one and a half'),
    memoryHigh: sizeSchema.optional().describe('Memory of QEMU itself above which it is slowed down'),
  })
  .describe('Properties of its systemd scope (systemd.resource-control(5))');

/** abort: the update does not happen; shutdown: the VM is powered down for it; leave: it is left behind. */
export const onFailureSchema = z.enum(['abort', 'shutdown', 'leave']);
export type OnFailure = z.infer<typeof onFailureSchema>;

/** What a VM is; one YAML file a VM in /etc/exuvia/vms, named after the VM. */
export const vmSpecSchema = z.strictObject({
  version: z.literal(1).default(1),
  name: vmNameSchema,
  vcpus: z.int().min(1).max(288).default(1),
  memory: sizeSchema,
  machine: z
    .string()
    .regex(
      /^pc-(q35|i440fx)-[0-9]+\.[0-9]+$/,
      'must be a versioned machine type such as pc-q35-10.0: an unversioned one changes with QEMU and cannot be restored',
    )
    .default('pc-q35-10.0'),
  cpu: z
    .string()
    .regex(/^[A-Za-z0-9._+=,-]+$/, 'must be a QEMU CPU model, for example host or EPYC-v4')
    .default('host'),
  boot: bootSchema,
  disks: z.array(diskSchema).max(22).default([]),
  networks: z.array(networkSchema).max(MAX_NETWORKS).default([]).describe('Its NICs'),
  serial: z.boolean().default(true).describe('A serial console with a log and a socket'),
  limits: limitsSchema.default({}),
  cpuAffinity: cpuListSchema
    .optional()
    .describe('CPUs that it may run on; absent: those of agent.yaml, or all'),
  nice: z.int().min(-20).max(19).default(0),
  guestAgent: z
    .enum(['none', 'virtio-serial', 'isa-serial'])
    .default('none')
    .describe(
      'A channel to qemu-guest-agent in the guest, which sets its wall clock after an update; isa-serial (ttyS1) where two builds of QEMU do not agree on virtio-serial',
    ),
  vsockCid: z
    .int()
    .min(3)
    .max(0xffff_fffe)
    .optional()
    .describe('The guest’s address for sockets of the family vsock; no other VM may have it'),
  priority: z.int().min(0).max(1000).default(100).describe('Lower is restored first'),
  autostart: z.boolean().default(false),
  onFailure: onFailureSchema
    .default('abort')
    .describe(
      'What happens when it cannot be saved for an update: the update is refused or aborted; or it is shut down beforehand and started again afterwards; or it is left behind and ends with the old kernel. A failure that shows in the pause only: abort and shutdown both abort. In an update of QEMU, leave means that it stays in its old QEMU; in one of kernel modules, and before a restart, it aborts. What only the rehearsal finds ends that update, and holds for the next plan, which `exuvia update` makes by itself',
    ),
  heartbeat: z
    .boolean()
    .default(false)
    .describe('The guest keeps a heartbeat page (docs/heartbeat.md); the agent verifies it after an update'),
  extraArgs: z.array(oneLine).max(64).default([]).describe('Further QEMU arguments, given as they are'),
});

export type VmSpec = z.infer<typeof vmSpecSchema>;

/**
 * Parses one spec file.
 *
 * @throws ExuviaError `spec-invalid`, naming the file and every field that is wrong.
 */
export function parseVmSpec(text: string, file: string): VmSpec {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (cause) {
    throw new ExuviaError('spec-invalid', `${file} is not valid YAML.`, { cause, hint: 'Mend the file.' });
  }
  const result = vmSpecSchema.safeParse(value);
  if (!result.success) throw specError(file, result.error);
  return result.data;
}

/** The JSON Schema of a spec file, for editors. */
export function vmSpecJsonSchema(): unknown {
  return z.toJSONSchema(vmSpecSchema, { io: 'input' });
}

function specError(file: string, error: z.ZodError): ExuviaError {
  const problems = error.issues.map((issue) => `${issue.path.join('.') || 'the document'} ${issue.message}`);
  return new ExuviaError('spec-invalid', `${file}: ${problems.join('; ')}.`, {
    hint: 'See `exuvia vm schema` for the fields of a VM spec.',
  });
}
