import { ExuviaError } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';

/**
 * Takes up a saved VM in the QEMU that the plan brings, or, when that one cannot, in the one that saved it: that one
 * has proved that it can run it. Throws what the last of them said; the state is kept then, or, `vm-not-resumed`, the VM
 * stands still in its QEMU.
 *
 * @param restore takes it up from where this handover has saved it
 */
export async function restoreInTarget(
  { plan, log }: Pick<StepContext, 'plan' | 'log'>,
  name: string,
  restore: (options: { binary?: string }) => Promise<unknown>,
): Promise<void> {
  const binary = plan.target.qemu?.binary;
  if (binary !== undefined) {
    try {
      await restore({ binary });
      return;
    } catch (error) {
      if (error instanceof ExuviaError && error.code === 'vm-not-resumed') throw error;
      log(`VM ${name} goes back into its old QEMU: ${String(error)}`);
    }
  }
  await restore({});
}
