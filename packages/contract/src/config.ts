import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { cpuListSchema } from './cpus.ts';
import { ExuviaError } from './errors.ts';

const path = z.string().regex(/^\/[^\0\n]*$/, 'must be an absolute path');

/** /etc/exuvia/agent.yaml. Every field has a default: an absent file is a valid one. */
export const agentConfigSchema = z.strictObject({
  version: z.literal(1).default(1),
  remote: z
    .strictObject({
      listen: z.string().regex(/^\S+:[0-9]{1,5}$/, 'must be ADDRESS:PORT'),
      ca: path.describe('Certificates that sign the clients that are let in'),
      cert: path,
      key: path,
    })
    .optional()
    .describe('Access over TLS with client certificates; absent: the unix socket only'),
  vmCpus: cpuListSchema.optional().describe('CPUs that VMs may run on; absent: all. Leave one for the host'),
  keepServices: z
    .array(z.string().regex(/^[A-Za-z0-9:_.@\\*-]+$/))
    .default([])
    .describe('Units (globs) that an update does not stop beforehand'),
  qemus: z
    .array(path)
    .default([])
    .describe('Further QEMUs (paths of qemu-system-x86_64) that running VMs may be moved into'),
  allowExec: z
    .boolean()
    .default(false)
    .describe('VMs are started so that their QEMU may execute another program, which cpr-exec needs'),
  kernelArguments: z
    .array(z.string().regex(/^\S+$/))
    .default([])
    .describe('Further arguments for the kernel command line of an update'),
  watchdogSeconds: z
    .int()
    .min(30)
    .max(600)
    .default(300)
    .describe('A new kernel that hangs is reset after so long, where the machine has a watchdog'),
  crashRecovery: z
    .boolean()
    .default(false)
    .describe(
      'After a crash of the kernel restart the host and its VMs at once; needs crashkernel= (doctor)',
    ),
  rebootStore: z
    .enum(['auto', 'disk'])
    .default('auto')
    .describe(
      'Where VMs wait in an update by reboot: in the store, once their memory has been seen to outlive one; or always on disk',
    ),
  allowFaultInjection: z
    .boolean()
    .default(false)
    .describe('For tests of Exuvia itself; never on a real host'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});
export type AgentConfig = z.infer<typeof agentConfigSchema>;

/**
 * Parses the agent's configuration.
 *
 * @throws ExuviaError `config-invalid`, naming the file and every field that is wrong.
 */
export function parseAgentConfig(text: string, file: string): AgentConfig {
  let value: unknown;
  try {
    value = parseYaml(text) ?? {};
  } catch (cause) {
    throw new ExuviaError('config-invalid', `${file} is not valid YAML.`, { cause, hint: 'Mend the file.' });
  }
  const result = agentConfigSchema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'the document'} ${issue.message}`,
  );
  throw new ExuviaError('config-invalid', `${file}: ${problems.join('; ')}.`, { hint: 'Mend the file.' });
}
