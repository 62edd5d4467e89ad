import { ExuviaError, vmSpecSchema } from '@exuvia/contract';
import { listIfExists, readIfExists, writeFileDurably } from '@exuvia/sys';
import { z } from 'zod';
import { isName } from './names.ts';

/**
 * What a VM was started with; lies beside its memory in the store, and like it outlives the kernel. A spec
 * may be edited or removed while its VM runs: this is what counts for the running one.
 */
const instanceSchema = z.object({
  version: z.literal(1),
  spec: vmSpecSchema,
  /** The whole command line, QEMU's absolute path first. */
  commandLine: z.array(z.string()).min(1),
  startedAt: z.iso.datetime(),
});
export type Instance = z.infer<typeof instanceSchema>;

/**
 * Reads an instance file; `null` when there is none.
 *
 * @throws ExuviaError `instance-invalid` naming the file.
 */
export async function readInstance(file: string): Promise<Instance | null> {
  const text = await readIfExists(file);
  if (text === null) return null;
  try {
    return instanceSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ExuviaError('instance-invalid', `${file} is damaged.`, {
      cause,
      hint: 'It says how the VM was started; without it the VM can only be stopped.',
    });
  }
}

/** Where what a VM was started with lies beside its saved state. */
export function instanceBeside(stateFile: string): string {
  return `${stateFile}.instance.json`;
}

export async function writeInstance(file: string, instance: Instance): Promise<void> {
  await writeFileDurably(file, `${JSON.stringify(instance, null, 2)}\n`, { mode: 0o600 });
}

/** The names of all VMs that have a directory in the store, or a saved state outside of it. */
export async function listInstances(directory: string, savedDirectory: string): Promise<string[]> {
  const [inStore, files] = await Promise.all([listIfExists(directory), listIfExists(savedDirectory)]);
  const saved = files.flatMap((file) => (file.endsWith('.state') ? [file.slice(0, -'.state'.length)] : []));
  return [...new Set([...inStore, ...saved])].filter(isName);
}
