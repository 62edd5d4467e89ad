import type { Handover } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { arrivedBy } from './arrival.ts';
import { kexecChecks } from './checks.ts';
import { finishKexec } from './finish.ts';
import { salvageKexec } from './salvage.ts';
import { kexecSteps } from './steps.ts';

export { restoreWithoutVms } from './early-plan.ts';
export { buildInitramfs } from './initramfs.ts';
export { earlyNeeds } from './needs.ts';
export { renderPlan } from './restore-plan.ts';

/**
 * The host's kernel is replaced by kexec; guest memory stays where it is, in the store.
 *
 * steps.ts is the old side, pause-steps.ts the part of it that native/pause executes, native/early-restore the
 * first moments of the new side, finish.ts the rest of it.
 */
export function createKexecHandover(dependencies: HandoverDependencies): Handover {
  return {
    kind: 'kexec',
    staysInBoot: false,
    checks: (target, vms) => kexecChecks(dependencies, target, vms),
    planVms: async (vms) => vms,
    planStore: async () => 'dax',
    steps: (plan) => kexecSteps(dependencies, plan),
    arrived: ({ id }) => arrivedBy(id),
    finish: (context) => finishKexec(dependencies, context),
    salvage: (context) => salvageKexec(dependencies, context),
  };
}
