import type { Handover } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { rebootChecks } from './checks.ts';
import { finishReboot } from './finish.ts';
import { salvageReboot } from './salvage.ts';
import { rebootSteps } from './steps.ts';
import { rebootStore } from './store.ts';

/**
 * The machine restarts through its firmware; the VMs wait on disk, memory included, or, where their memory outlives that, in
 * the store.
 */
export function createRebootHandover(dependencies: HandoverDependencies): Handover {
  return {
    kind: 'reboot',
    staysInBoot: false,
    checks: (target, vms) => rebootChecks(dependencies, target, vms),
    planVms: async (vms) => vms,
    planStore: ({ kernel }) => rebootStore(dependencies, kernel),
    steps: (plan) => rebootSteps(dependencies, plan),
    // Any other boot than the one before is what this handover leads to.
    arrived: async () => true,
    finish: (context) => finishReboot(dependencies, context),
    salvage: (context) => salvageReboot(dependencies, context),
  };
}
