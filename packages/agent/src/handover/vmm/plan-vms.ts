import type { Plan, VmmMethod } from '@exuvia/contract';
import { probeQemu } from '@exuvia/qemu';
import type { PlanTarget } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { type ChosenMethod, chooseMethod } from './method.ts';

/** How a VM that runs gets the target's QEMU; `null` when its QEMU does not answer. */
export async function methodOf(
  { vms }: Pick<HandoverDependencies, 'vms'>,
  name: string,
  { qemu, method }: Pick<PlanTarget, 'qemu' | 'method'>,
): Promise<(ChosenMethod & { readonly from: string }) | null> {
  const running = await vms.runningQemu(name).catch(() => null);
  if (running === null || qemu === null) return null;
  const { migrationModes } = await probeQemu(qemu.binary);
  const commandLine = await vms.restoreArguments(name);
  const chosen = chooseMethod({ running, target: { ...qemu, migrationModes }, commandLine, ordered: method });
  return { ...chosen, from: running.version };
}

export async function planVmmVms(
  dependencies: Pick<HandoverDependencies, 'vms'>,
  vms: Plan['vms'],
  target: PlanTarget,
): Promise<Plan['vms']> {
  return Promise.all(
    vms.map(async (vm) => {
      const method: VmmMethod | null = (await methodOf(dependencies, vm.name, target))?.method ?? null;
      return { ...vm, method };
    }),
  );
}
