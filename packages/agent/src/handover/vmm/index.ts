import type { Handover } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { salvageWaiting } from '../shared/salvage-waiting.ts';
import { vmmChecks } from './checks.ts';
import { finishVmm } from './finish.ts';
import { planVmmVms } from './plan-vms.ts';
import { vmmSteps } from './steps.ts';

/**
 * The QEMUs of running VMs are replaced; the kernel runs on, and guest memory stays where it is. Each VM has a point of
 * no return of its own; once the first one has passed it, the others follow.
 */
export function createVmmHandover(dependencies: HandoverDependencies): Handover {
  return {
    kind: 'vmm',
    staysInBoot: true,
    checks: (target, vms) => vmmChecks(dependencies, target, vms),
    planVms: (vms, target) => planVmmVms(dependencies, vms, target),
    planStore: async () => 'dax',
    steps: (plan) => vmmSteps(dependencies, plan),
    arrived: async () => true,
    finish: (context) => finishVmm(dependencies, context),
    salvage: (context) => salvageWaiting(dependencies, context),
  };
}
