import { readFile } from 'node:fs/promises';
import type { RehearsedVm } from './rehearse.ts';

/** What a program is started with that a QEMU of the host needs. */
export const QEMU_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

/**
 * The QEMU that runs a VM, as a program that can be started once more: the file may have been replaced since, but the
 * kernel still has what runs. Its libraries are those that it was started with, or their replacements.
 */
export async function runningProgram(
  pid: number,
  argv: readonly string[],
): Promise<NonNullable<RehearsedVm['savedBy']>> {
  const environment = Object.fromEntries(
    (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').flatMap((entry) => {
      const at = entry.indexOf('=');
      return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)] as const] : [];
    }),
  );
  const running = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  // A copy in the store finds its firmware only where it was told to look for it.
  const firmware = running.flatMap((word, index) => (running[index - 1] === '-L' ? ['-L', word] : []));
  return {
    argv: [`/proc/${pid}/exe`, ...firmware, ...argv.slice(1)],
    environment: { ...QEMU_ENVIRONMENT, ...environment },
  };
}
