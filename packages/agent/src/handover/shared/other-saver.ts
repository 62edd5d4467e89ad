import type { Plan } from '@exuvia/contract';
import { probeQemu } from '@exuvia/qemu';
import type { HandoverDependencies } from '../dependencies.ts';
import type { RehearsedVm } from './rehearse.ts';
import { runningProgram } from './running-program.ts';

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
