import type { VmDependencies } from './dependencies.ts';
import type { Monitors } from './monitors.ts';
import type { Reality } from './reality.ts';
import { removeState } from './seal.ts';
import { reconnect } from './taps.ts';

/** Makes a QEMU that runs already the agent's: part of its scope, with the limits of its spec. False without one. */
export async function adoptVm(
  name: string,
  { process, status, instance }: Reality,
  dependencies: VmDependencies,
  monitors: Monitors,
): Promise<boolean> {
  const { scopes, paths, log } = dependencies;
  if (process === null) {
    log.warn({ vm: name }, 'A VM has memory in the store, but no QEMU.');
    return false;
  }
  await scopes.adopt(paths(name).scope, process.pid, instance?.spec.limits ?? {});
  if (status === 'running') await removeState(paths(name).deviceState);
  if (instance !== null && status !== null) await reconnect(instance.spec, dependencies, monitors);
  log.info({ vm: name, pid: process.pid, status }, 'A running VM was adopted.');
  return true;
}
