import type { Plan } from '@exuvia/contract';
import { z } from 'zod';
import type { Step } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { endSaved, restoreEnded, resumeSaved, saveInStore } from '../shared/in-store.ts';
import { noteVms } from '../shared/note-vms.ts';
import { rehearseRestart } from '../shared/rehearsal-step.ts';
import { restoreAll } from '../shared/restore-all.ts';
import { loadAgain, loadModules, unloadModules, unloadOrder } from './reload.ts';
import { createMarks, type Marks } from './times.ts';

/** The modules as `note-vms` remembers them, in the order in which they are unloaded. */
export const namesSchema = z.array(z.string()).catch([]);

/** The steps of an update of kernel modules. No memory is copied; the VMs stand still from `save-vms` on. */
export function moduleSteps(
  dependencies: HandoverDependencies,
  plan: Pick<Plan, 'id' | 'target' | 'vms'>,
): readonly Step[] {
  const marks = createMarks();
  return [
    noteVms(dependencies, {
      what: 'the modules that depend on one another',
      note: async (context) => context.remember('modules', await unloadOrder(plan.target.modules)),
    }),
    rehearseRestart(dependencies),
    saveVms(dependencies, marks),
    endVms(dependencies, marks),
    reloadModules(marks),
    restoreVms(dependencies, marks),
  ];
}

function saveVms(dependencies: HandoverDependencies, marks: Marks): Step {
  return {
    name: 'save-vms',
    phase: 'VM save',
    description: 'stop all VMs and save their device state into the store',
    async run({ plan }) {
      marks.set('begin');
      await saveInStore(dependencies, plan);
      marks.set('saved');
    },
    undo: ({ plan }) => resumeSaved(dependencies, plan),
  };
}

/** Nothing may hold the modules. */
function endVms(dependencies: HandoverDependencies, marks: Marks): Step {
  return {
    name: 'end-vms',
    phase: 'QEMU shutdown',
    description: 'end the QEMUs of the saved VMs',
    async run({ plan }) {
      await endSaved(dependencies, plan);
      marks.set('ended');
    },
    undo: ({ plan }) => restoreEnded(dependencies, plan),
  };
}

/** When a new file does not load, `undo` loads what was there before, from the copy that was kept if need be. */
function reloadModules(marks: Marks): Step {
  return {
    name: 'reload-modules',
    phase: 'kernel startup',
    description: 'unload the modules and load them anew from their files',
    async run(context) {
      const order = namesSchema.parse(await context.recall('modules'));
      await unloadModules(order);
      await loadModules(order);
      marks.set('loaded');
    },
    async undo(context) {
      await loadAgain(namesSchema.parse(await context.recall('modules')));
    },
  };
}

/** With the new modules there is no way back that would be shorter than the way on. */
function restoreVms(dependencies: HandoverDependencies, marks: Marks): Step {
  return {
    name: 'restore-vms',
    phase: 'VM restore',
    description: 'start the QEMUs again, load the saved states and let the guests run on',
    async run(context) {
      await context.commit();
      await restoreAll(dependencies, context);
      marks.set('restored');
      await attempt(context, 'The phases are not kept', () => marks.keep(context));
    },
  };
}
