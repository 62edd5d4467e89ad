import { rm } from 'node:fs/promises';
import { ExuviaError } from '@exuvia/contract';
import { type QmpClient, QmpCommandError, queryStatus } from '@exuvia/qemu';
import type { VmDependencies, VmPaths } from './dependencies.ts';
import { endAtOnce } from './launch.ts';
import type { Monitors } from './monitors.ts';
import { findProcess, waitForEnd } from './process.ts';
import type { Reality } from './reality.ts';
import { discardSavedFile } from './restore.ts';
import { removeTaps } from './taps.ts';

/**
 * Ends a VM: asks the guest to power down (ACPI), after `powerDownMs` asks QEMU to end, and kills a QEMU
 * that does not. Its memory and state are overwritten. Does nothing when there is nothing of it.
 */
export async function stopVm(
  name: string,
  powerDownMs: number,
  reality: Reality,
  dependencies: VmDependencies,
  monitors: Monitors,
): Promise<void> {
  if (reality.process !== null) {
    if (reality.status !== null) {
      await askToEnd(name, await monitors.get(name), powerDownMs, dependencies);
    }
    await endAtOnce(name, dependencies);
  }
  await discardMemory(name, dependencies);
}

/**
 * Overwrites and removes what a VM without QEMU has in the store, and removes its taps and sockets.
 *
 * @throws ExuviaError `vm-running` when there is a QEMU after all: memory in use is never overwritten.
 */
export async function discardMemory(
  name: string,
  { store, paths, network, timeoutMs }: Pick<VmDependencies, 'store' | 'paths' | 'network' | 'timeoutMs'>,
): Promise<void> {
  await requireEnded(paths(name), name, timeoutMs);
  await store.scrub(name);
  await discardSavedFile(paths(name));
  await removeTaps(name, network);
  await rm(paths(name).runtime, { recursive: true, force: true });
}

async function requireEnded(paths: VmPaths, name: string, timeoutMs: number): Promise<void> {
  const process = await findProcess(paths);
  if (process === null && (await waitForEnd(paths, timeoutMs))) return;
  const who = process === null ? '' : ` (pid ${process.pid})`;
  throw new ExuviaError('vm-running', `VM ${name} runs${who}: its memory is left alone.`);
}

async function askToEnd(
  name: string,
  client: QmpClient,
  powerDownMs: number,
  { paths, timeoutMs, log }: VmDependencies,
): Promise<void> {
  try {
    // A guest that does not run cannot power itself down.
    if (powerDownMs > 0 && (await queryStatus(client)).running) {
      await client.execute('system_powerdown');
      if (await waitForEnd(paths(name), powerDownMs)) return;
      log.warn({ vm: name, powerDownMs }, 'The guest did not power down in time; ending QEMU.');
    }
    await client.execute('quit');
  } catch (error) {
    if (error instanceof QmpCommandError) throw error;
    log.warn({ vm: name, err: error }, 'QEMU went away, or stopped answering, while it was asked to end.');
  }
  await waitForEnd(paths(name), timeoutMs);
}
