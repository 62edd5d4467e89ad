import { ExuviaError } from '@exuvia/contract';
import { queryStatus, undoSave } from '@exuvia/qemu';
import type { VmDependencies } from './dependencies.ts';
import type { Monitors } from './monitors.ts';
import { notRunning } from './names.ts';
import type { Reality } from './reality.ts';
import { discardSavedFile } from './restore.ts';
import { removeState } from './seal.ts';

/** Lets a VM run on that an update left paused. @throws ExuviaError `vm-not-running`, `vm-not-restored`. */
export async function resumeVm(
  name: string,
  { process }: Reality,
  { paths, log }: VmDependencies,
  monitors: Monitors,
): Promise<void> {
  if (process === null) throw notRunning(name);
  const client = await monitors.get(name);
  const { running, status } = await queryStatus(client);
  if (status === 'inmigrate') {
    throw new ExuviaError('vm-not-restored', `VM ${name} is still loading its saved state.`);
  }
  // From its next instruction on the saved state is stale; nobody may ever load it.
  await removeState(paths(name).deviceState);
  await discardSavedFile(paths(name));
  if (running) return;
  await undoSave(client, true);
  log.info({ vm: name, before: status }, 'A VM was resumed.');
}
