import { statfs } from 'node:fs/promises';
import { type Check, HOST_PATHS, parseSize, type Vm } from '@exuvia/contract';
import { detectBootLoader, oneTimeProblem } from '@exuvia/sys';
import type { PlanTarget } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { kernelInstalled, STATE_BYTES, storeSpace, vmRuns } from '../shared/checks.ts';
import { rebootVerdict } from './store.ts';

/** Everything that must hold before an update by reboot may start. Never throws for a failed check. */
export async function rebootChecks(
  dependencies: HandoverDependencies,
  { kernel }: PlanTarget,
  vms: readonly Vm[],
): Promise<Check[]> {
  const { outlives, reason } = await rebootVerdict(dependencies, kernel);
  return Promise.all([
    kernelInstalled(kernel),
    bootLoaderKnown(),
    {
      id: 'vms-wait',
      subject: 'host',
      verdict: 'ok',
      reason: `The VMs wait ${outlives ? 'in the store' : 'on disk, memory included'}. ${reason}`,
    },
    outlives ? storeSpace(vms.length * STATE_BYTES) : diskSpace(vms),
    ...vms.map(vmRuns),
  ]);
}

async function bootLoaderKnown(): Promise<Check> {
  const about = { id: 'boot-loader', subject: 'host' } as const;
  const bootLoader = await detectBootLoader();
  if (bootLoader === null) {
    return {
      ...about,
      verdict: 'fail',
      reason: 'Neither GRUB nor kernel-install manages this host’s kernels.',
      remedy: 'Use `--handover kexec`.',
    };
  }
  const problem = await oneTimeProblem(bootLoader);
  if (problem !== null) {
    return {
      ...about,
      verdict: 'warn',
      reason: problem,
      remedy:
        'If the new kernel does not come up, choose the old one in GRUB’s menu; or make /boot a plain partition.',
    };
  }
  return { ...about, verdict: 'ok', reason: `${bootLoader.kind} chooses the kernel of the next boot.` };
}

async function diskSpace(vms: readonly Vm[]): Promise<Check> {
  const id = 'disk-space';
  const needed = vms.reduce((sum, { spec }) => sum + (parseSize(spec.memory) ?? 0) + STATE_BYTES, 0);
  const { bavail, bsize } = await statfs(HOST_PATHS.state);
  const free = bavail * bsize;
  const reason = `Saving the VMs takes up to ${Math.ceil(needed / 2 ** 20)} MiB in ${HOST_PATHS.saved}; ${Math.floor(free / 2 ** 20)} MiB are free.`;
  return free >= needed
    ? { id, subject: 'host', verdict: 'ok', reason }
    : { id, subject: 'host', verdict: 'fail', reason, remedy: 'Free some space on that file system.' };
}
