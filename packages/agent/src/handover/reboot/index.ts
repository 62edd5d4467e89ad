import type { Handover } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { rebootChecks } from './checks.ts';
import { finishReboot } from './finish.ts';
import { rebootSteps } from './steps.ts';

/** The machine restarts through its firmware; the VMs wait on disk, memory included. */
export function createRebootHandover(dependencies: HandoverDependencies): Handover {
  return {
    kind: 'reboot',
    staysInBoot: false,
    checks: (target, vms) => rebootChecks(target, vms),
    planVms: async (vms) => vms,
    steps: (plan) => rebootSteps(dependencies, plan),
    // Any other boot than the one before is what this handover leads to.
    arrived: async () => true,
    finish: (context) => finishReboot(dependencies, context),
  };
}
