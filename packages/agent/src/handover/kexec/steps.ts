import { join } from 'node:path';
import type { Plan } from '@exuvia/contract';
import type { Step } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { shutDownVms } from '../shared/left-out.ts';
import { armFallback, prepareFallback } from './fallback.ts';
import { pauseSteps } from './pause-steps.ts';
import { buildRestore, copyQemu, loadKernel, noteVms, rehearse } from './prepare-steps.ts';
import type { Prepared } from './prepared.ts';
import { stopServices, syncFileSystems, unmountUnneeded } from './quiet-steps.ts';

/** The steps of an update by kexec. Everything up to `arm-pause` happens while the VMs run. */
export function kexecSteps(
  dependencies: HandoverDependencies,
  plan: Pick<Plan, 'id' | 'target' | 'vms' | 'leftOut'>,
): readonly Step[] {
  const prepared: Prepared = {};
  return [
    noteVms(dependencies),
    copyQemu(dependencies, prepared),
    buildRestore(dependencies, prepared),
    prepareFallback(dependencies),
    rehearse(dependencies, prepared),
    loadKernel(dependencies),
    ...shutDownVms(dependencies, plan),
    stopServices(dependencies, plan),
    unmountUnneeded(prepared),
    armFallback(),
    syncFileSystems(),
    ...pauseSteps({ planFile: (context) => join(context.directory, 'pause-plan') }),
  ];
}
