import type { Check, Vm } from '@exuvia/contract';
import { installedKernels } from '@exuvia/sys';

export async function kernelInstalled(release: string): Promise<Check> {
  const found = (await installedKernels()).some((kernel) => kernel.release === release);
  const reason = `Kernel ${release} is ${found ? '' : 'not '}installed.`;
  return found
    ? { id: 'kernel-installed', subject: 'host', verdict: 'ok', reason }
    : { id: 'kernel-installed', subject: 'host', verdict: 'fail', reason, remedy: 'Install it with apt.' };
}

export function vmRuns(vm: Vm): Check {
  const id = 'vm-runs';
  if (vm.state === 'running') return { id, subject: vm.name, verdict: 'ok', reason: `VM ${vm.name} runs.` };
  return {
    id,
    subject: vm.name,
    verdict: 'fail',
    reason: `VM ${vm.name} is ${vm.state}: only running VMs can be taken along.`,
    remedy: 'Resume or stop it.',
  };
}
