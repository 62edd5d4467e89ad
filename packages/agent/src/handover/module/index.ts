import type { Handover } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { salvageWaiting } from '../shared/salvage-waiting.ts';
import { moduleChecks } from './checks.ts';
import { finishModule } from './finish.ts';
import { moduleSteps } from './steps.ts';

export { keepLoadedModules } from './keep.ts';

/**
 * Kernel modules that VMs hold are loaded anew from their files, under the same kernel: the VMs' device state waits
 * beside their memory in the store, while no QEMU is there. A new QEMU can be taken along.
 */
export function createModuleHandover(dependencies: HandoverDependencies): Handover {
  return {
    kind: 'module',
    staysInBoot: true,
    checks: (target, vms) => moduleChecks(dependencies, target, vms),
    planVms: async (vms) => vms,
    planStore: async () => 'dax',
    steps: (plan) => moduleSteps(dependencies, plan),
    arrived: async () => true,
    finish: (context) => finishModule(dependencies, context),
    salvage: (context) => salvageWaiting(dependencies, context),
  };
}
