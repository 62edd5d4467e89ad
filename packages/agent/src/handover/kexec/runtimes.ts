import type { Plan } from '@exuvia/contract';
import { probeQemu } from '@exuvia/qemu';
import type { HandoverDependencies } from '../dependencies.ts';
import type { RehearsedVm } from '../shared/rehearse.ts';
import { runningProgram } from '../shared/running-program.ts';
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

/**
 * The QEMU that will save a VM, when it is another build than the one that will restore it: asked for by the plan, or
 * because its file was replaced since the VM was started. `null`: the same build.
 */
export async function otherSaver(
  { vms }: Pick<HandoverDependencies, 'vms'>,
  plan: Pick<Plan, 'target'>,
  name: string,
): Promise<NonNullable<RehearsedVm['savedBy']> | null> {
  const running = await vms.runningQemu(name);
  const argv = await vms.restoreArguments(name);
  if (running === null) return null;
  const restoring = await probeQemu(plan.target.qemu?.binary ?? argv[0] ?? '');
  const same = restoring.version === running.version && restoring.packageVersion === running.package;
  return same ? null : runningProgram(running.pid, argv);
}
