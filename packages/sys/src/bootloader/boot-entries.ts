import { ExuviaError } from '@exuvia/contract';
import { z } from 'zod';

const bootEntriesSchema = z.array(
  z.object({
    id: z.string(),
    version: z.string().optional(),
    linux: z.string().optional(),
    options: z.string().optional(),
    isDefault: z.boolean().nullish(),
  }),
);
export type SystemdBootEntry = z.infer<typeof bootEntriesSchema>[number];

/** Reads what `bootctl list --json=short` says (systemd 257). */
export function parseBootEntries(json: string): SystemdBootEntry[] {
  return bootEntriesSchema.parse(JSON.parse(json));
}

/** The entry that boots a kernel. @throws ExuviaError `boot-entry-missing`. */
export function bootEntryFor(entries: readonly SystemdBootEntry[], release: string): SystemdBootEntry {
  const found = entries.find((entry) => boots(entry, release));
  if (found !== undefined) return found;
  throw new ExuviaError('boot-entry-missing', `The boot loader has no entry for kernel ${release}.`, {
    hint: `Run \`kernel-install add ${release} /boot/vmlinuz-${release}\`.`,
  });
}

/** The command line of the entry that boots by default, else of any, if it boots one of these kernels. */
export function bootedCommandLine(
  entries: readonly SystemdBootEntry[],
  releases: readonly string[],
): string | null {
  const own = entries.filter((entry) => releases.some((release) => boots(entry, release)));
  return (own.find((entry) => entry.isDefault === true) ?? own[0])?.options ?? null;
}

/** Whether an entry boots that kernel, in whichever system's folder it is. */
export function boots({ version, linux }: SystemdBootEntry, release: string): boolean {
  return version === release || linux?.split('/').some((part) => part === release) === true;
}
