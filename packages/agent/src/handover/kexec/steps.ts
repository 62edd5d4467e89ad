import { join } from 'node:path';
import { ExuviaError, type Plan } from '@exuvia/contract';
import type { Step } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { shutDownVms } from '../shared/left-out.ts';
import { noteVms } from '../shared/note-vms.ts';
import { rehearse } from '../shared/rehearsal-step.ts';
import type { RehearsedVm } from '../shared/rehearse.ts';
import { withSaver } from '../shared/with-saver.ts';
import { armFallback, prepareFallback } from './fallback.ts';
import { notePanicTimeout } from './panic-timeout.ts';
import { pauseSteps } from './pause-steps.ts';
import { buildRestore, copyQemu, loadKernel, noteClock } from './prepare-steps.ts';
import type { Prepared } from './prepared.ts';
import { stopServices, syncFileSystems, unmountUnneeded } from './quiet-steps.ts';

/** The steps of an update by kexec. Everything up to `arm-pause` happens while the VMs run. */
export function kexecSteps(
  dependencies: HandoverDependencies,
  plan: Pick<Plan, 'id' | 'target' | 'vms' | 'leftOut'>,
): readonly Step[] {
  const prepared: Prepared = {};
  return [
    noteVms(dependencies, {
      what: 'the clock’s rate',
      async note(context) {
        await noteClock(context);
        await notePanicTimeout(context);
      },
    }),
    copyQemu(dependencies, prepared),
    buildRestore(dependencies, prepared),
    prepareFallback(dependencies),
    rehearse(
      dependencies,
      'save and restore a machine like each VM with the QEMU in the store',
      ({ name }, whole) => machineOf(dependencies, prepared, whole, name),
    ),
    loadKernel(dependencies),
    ...shutDownVms(dependencies, plan),
    stopServices(dependencies, plan),
    unmountUnneeded(prepared),
    armFallback(),
    syncFileSystems(),
    ...pauseSteps({ planFile: (context) => join(context.directory, 'pause-plan') }),
  ];
}

/** A VM as the early restore will start it, after it was saved by the QEMU that it runs in. */
async function machineOf(
  dependencies: HandoverDependencies,
  { vms }: Prepared,
  plan: Pick<Plan, 'target'>,
  name: string,
): Promise<RehearsedVm> {
  const machine = vms?.find((vm) => vm.name === name);
  if (machine === undefined) throw new ExuviaError('internal', `There is no restore plan of VM ${name}.`);
  return withSaver(dependencies, plan, machine);
}
