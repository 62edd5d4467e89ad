import type { GuestClock } from '@exuvia/qemu';
import type { VmManager } from '../kinds.ts';

/** Sets a guest's wall clock after it stood still. A guest that does not answer keeps its clock: that is logged, and `null`. */
export async function setClockOf(
  vms: Pick<VmManager, 'setClock'>,
  name: string,
  log: (message: string) => void,
): Promise<GuestClock | null> {
  try {
    return await vms.setClock(name);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log(`The wall clock of VM ${name} was not set: ${why}`);
    return null;
  }
}
