import { ExuviaError } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';

/**
 * Takes up a VM from the store in the QEMU that the plan brings, or, when that one cannot, in the one that saved it:
 * that one has proved that it can run it. Throws what the last of them said; the state is kept then,
 * or, `vm-not-resumed`, the VM stands still in its QEMU.
 */
export async function restoreInTarget(
  vms: HandoverDependencies['vms'],
  context: StepContext,
  name: string,
): Promise<void> {
  const binary = context.plan.target.qemu?.binary;
  if (binary !== undefined) {
    try {
      await vms.restoreInPlace(name, { binary });
      return;
    } catch (error) {
      if (error instanceof ExuviaError && error.code === 'vm-not-resumed') throw error;
      context.log(`VM ${name} goes back into its old QEMU: ${String(error)}`);
    }
  }
  await vms.restoreInPlace(name);
}
