import { ExuviaError } from '@exuvia/contract';
import { queryStatus, saveToFile } from '@exuvia/qemu';
import { settledMemory } from '@exuvia/sys';
import type { SaveInPlaceOptions } from '../../kinds.ts';
import type { VmDependencies } from './dependencies.ts';
import { endAtOnce } from './launch.ts';
import type { Monitors } from './monitors.ts';
import { waitForEnd } from './process.ts';
import { keepInstance } from './restore.ts';
import { sampledMemory, sealState } from './seal.ts';

type Needs = Pick<VmDependencies, 'paths' | 'timeoutMs'>;

/** Saves a VM, RAM included, to a file outside of the store, and what it was started with beside it. */
export async function saveVmTo(
  name: string,
  stateFile: string,
  { paths }: Needs,
  monitors: Monitors,
  options: { readonly signal?: AbortSignal },
): Promise<void> {
  await saveToFile(await monitors.get(name), stateFile, options);
  await keepInstance(name, paths(name), stateFile);
}

/** Saves a VM's device state beside its memory in the store, and seals both. */
export async function saveVmInPlace(
  name: string,
  { paths }: Needs,
  monitors: Monitors,
  { throughReset = false }: SaveInPlaceOptions,
): Promise<void> {
  const { deviceState, ram } = paths(name);
  await saveToFile(await monitors.get(name), deviceState, { ram: 'in-place' });
  await sealState(name, deviceState, await (throughReset ? settledMemory(ram) : sampledMemory(ram)));
}

/** @throws ExuviaError `vm-not-saved` for a VM that runs: ending it would lose its state. */
export async function endSavedVm(name: string, needs: Needs, monitors: Monitors): Promise<void> {
  const client = await monitors.get(name);
  const { running } = await queryStatus(client);
  if (running) throw new ExuviaError('vm-not-saved', `VM ${name} runs: ending it would lose its state.`);
  await client.execute('quit');
  if (!(await waitForEnd(needs.paths(name), needs.timeoutMs))) await endAtOnce(name, needs);
}
