import type { Plan } from '@exuvia/contract';
import { probeQemu } from '@exuvia/qemu';
import type { HandoverDependencies } from '../dependencies.ts';
import type { RehearsedVm } from './rehearse.ts';
import { runningProgram } from './running-program.ts';

/**
 * A machine as it will be restored, with the QEMU that will save it where that is another build: asked for by the plan, or
 * because its file was replaced since the VM was started.
 */
export async function withSaver(
  { vms }: Pick<HandoverDependencies, 'vms'>,
  plan: Pick<Plan, 'target'>,
  machine: RehearsedVm,
): Promise<RehearsedVm> {
  const running = await vms.runningQemu(machine.name);
  const argv = await vms.restoreArguments(machine.name);
  if (running === null) return machine;
  const restoring = await probeQemu(plan.target.qemu?.binary ?? argv[0] ?? '');
  const same = restoring.version === running.version && restoring.packageVersion === running.package;
  return same ? machine : { ...machine, savedBy: await runningProgram(running.pid, argv) };
}
