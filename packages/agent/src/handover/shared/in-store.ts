import type { Plan } from '@exuvia/contract';
import type { SaveInPlaceOptions } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { allOf, byPriority } from './parallel.ts';

/**
 * What steps do that put VMs away in the store, and their undos. A saved VM stands still until it is resumed; what a crash
 * leaves behind is taken up by an undo in the next process.
 */
type Vms = Pick<HandoverDependencies, 'vms'>;
type Planned = Pick<Plan, 'vms'>;

/** Stops all VMs and saves their device state beside their memory. */
export async function saveInStore(
  { vms }: Vms,
  plan: Planned,
  options: SaveInPlaceOptions = {},
): Promise<void> {
  await allOf(byPriority(plan).map(({ name }) => vms.saveInPlace(name, options)));
}

/** Lets those run on whose QEMU is still there. */
export async function resumeSaved({ vms }: Vms, plan: Planned): Promise<void> {
  await allOf(
    plan.vms.map(async ({ name }) => {
      if ((await vms.get(name)).pid !== null) await vms.resume(name);
    }),
  );
}

/** Ends the QEMUs of saved VMs; memory and state stay where they are. */
export async function endSaved({ vms }: Vms, plan: Planned): Promise<void> {
  await allOf(plan.vms.map(({ name }) => vms.endSaved(name)));
}

/** Takes up those whose QEMU has ended, or was still loading when an agent was killed here. */
export async function restoreEnded({ vms }: Vms, plan: Planned): Promise<void> {
  await allOf(
    plan.vms.map(async ({ name }) => {
      const { saved } = await vms.get(name);
      if (saved === true) await vms.restoreInPlace(name);
    }),
  );
}
