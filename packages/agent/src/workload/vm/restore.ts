import { access, readFile, rm } from 'node:fs/promises';
import { ExuviaError, parseSize } from '@exuvia/contract';
import {
  commandLineFor,
  loadFromFile,
  type QmpClient,
  type RestoreOptions,
  restoreCommandLine,
} from '@exuvia/qemu';
import { writeFileDurably } from '@exuvia/sys';
import type { VmDependencies, VmPaths } from './dependencies.ts';
import { type Instance, instanceBeside, readInstance, writeInstance } from './instance.ts';
import { endAtOnce, launch } from './launch.ts';
import type { Monitors } from './monitors.ts';
import type { Reality } from './reality.ts';
import { removeState, requireWhole, sealState } from './seal.ts';
import { awaitBridges } from './taps.ts';
import { sizeOf } from './text-file.ts';

/** Keeps the instance beside a state file that must be restorable even when the store is gone, and seals the state. */
export async function keepInstance(name: string, paths: VmPaths, stateFile: string): Promise<void> {
  await writeFileDurably(instanceBeside(stateFile), await readFile(paths.instance), { mode: 0o600 });
  await sealState(name, stateFile);
}

/** Removes what `saveTo` wrote. */
export async function discardSavedFile(paths: VmPaths): Promise<void> {
  await removeState(paths.savedState);
  await rm(instanceBeside(paths.savedState), { force: true });
}

/**
 * Starts a QEMU that takes up a saved state, and lets the guest run on.
 *
 * The state file is removed before the guest's first instruction: from then on it is stale, and loading it a
 * second time would run an old device state on newer memory.
 *
 * What somebody who was killed in it has left is finished, or begun anew.
 *
 * @throws ExuviaError `vm-running`; `vm-not-saved` when there is no state or nothing to start it with;
 * `vm-state-unsealed`, `vm-state-damaged`, `vm-memory-damaged`: then nothing is loaded; `vm-start-failed`;
 * `vm-restore-failed`: state and memory are left as they were then; `vm-not-resumed`.
 */
export async function restoreVm(
  name: string,
  stateFile: string,
  ram: RestoreOptions['ram'],
  reality: Reality,
  dependencies: VmDependencies,
  monitors: Monitors,
  binary?: string,
): Promise<void> {
  const paths = dependencies.paths(name);
  if (reality.process !== null) {
    const left = leftBy(reality);
    // The state is removed first, so that one who was killed right after that has left none.
    if (left === 'loaded') {
      await goOn(name, stateFile, await monitors.get(name));
      return;
    }
    if (left === null || !(await isThere(stateFile))) {
      throw new ExuviaError('vm-running', `VM ${name} runs already (pid ${reality.process.pid}).`);
    }
    await endAtOnce(name, dependencies);
    await monitors.drop(name);
  }
  const own = await instanceOf(name, stateFile, reality);
  const instance = inQemu(binary, own);
  await requireWhole(name, { state: stateFile, ram: paths.ram }, dependencies.updates);
  if (ram === 'in-file') await makeRoom(name, own, paths, dependencies);
  const commandLine = [...restoreCommandLine(instance.commandLine), '-S'];
  await awaitBridges(instance.spec, dependencies.network);
  const client = await launch(instance.spec, commandLine, dependencies, monitors);
  try {
    await loadFromFile(client, stateFile, { ram });
  } catch (error) {
    await endAtOnce(name, dependencies);
    throw error;
  }
  if (binary !== undefined) await writeInstance(paths.instance, instance);
  await goOn(name, stateFile, client);
}

/** How far somebody came who was killed in a restore: the guest has not executed an instruction yet. `null`: not in one. */
function leftBy({ status }: Reality): 'loading' | 'loaded' | null {
  if (status === 'inmigrate') return 'loading';
  // One that was saved, and not yet ended, calls itself `postmigrate`.
  return status === 'paused' ? 'loaded' : null;
}

async function goOn(name: string, stateFile: string, client: QmpClient): Promise<void> {
  await removeState(stateFile);
  await rm(instanceBeside(stateFile), { force: true });
  await letRun(name, client);
}

/** @throws ExuviaError `vm-not-resumed`: the VM is whole and stands still; its QEMU is all that there is of it. */
async function letRun(name: string, client: QmpClient): Promise<void> {
  try {
    await client.execute('cont');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ExuviaError('vm-not-resumed', `VM ${name} is restored, but stands still: ${why}`, {
      cause,
      hint: `Free what it waits for, then: exuvia vm resume ${name}`,
    });
  }
}

function inQemu(binary: string | undefined, instance: Instance): Instance {
  return binary === undefined
    ? instance
    : { ...instance, commandLine: commandLineFor(binary, instance.commandLine) };
}

async function instanceOf(name: string, stateFile: string, reality: Reality): Promise<Instance> {
  const instance = reality.instance ?? (await readInstance(instanceBeside(stateFile)));
  const saved = await isThere(stateFile);
  if (instance !== null && saved) return instance;
  const what = saved ? 'what it was started with' : `its state ${stateFile}`;
  throw new ExuviaError('vm-not-saved', `VM ${name} cannot be restored: ${what} is missing.`);
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** A full save holds the RAM: the RAM file need only be there and of the right size, whatever is in it. */
async function makeRoom(
  name: string,
  instance: Instance,
  paths: VmPaths,
  { store }: Pick<VmDependencies, 'store'>,
): Promise<void> {
  const bytes = parseSize(instance.spec.memory) ?? 0;
  if ((await sizeOf(paths.ram)) !== bytes) {
    await store.scrub(name);
    await store.allocate(name, bytes);
  }
  await writeInstance(paths.instance, instance);
}
