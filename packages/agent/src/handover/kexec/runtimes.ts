import type { Plan } from '@exuvia/contract';
import type { HandoverDependencies } from '../dependencies.ts';
import { installRuntime, type QemuRuntime } from './runtime.ts';

/** Copies every QEMU that the plan's VMs need into the store: the new one, or that which each was started with. */
export async function installRuntimes(
  { vms }: Pick<HandoverDependencies, 'vms'>,
  plan: Pick<Plan, 'target' | 'vms'>,
): Promise<ReadonlyMap<string, QemuRuntime>> {
  const binaries = new Set<string>();
  for (const { name } of plan.vms) {
    binaries.add(plan.target.qemu?.binary ?? (await vms.restoreArguments(name))[0] ?? '');
  }
  const runtimes = new Map<string, QemuRuntime>();
  for (const binary of binaries) runtimes.set(binary, await installRuntime(binary));
  return runtimes;
}
