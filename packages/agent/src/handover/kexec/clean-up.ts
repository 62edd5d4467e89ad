import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Plan, vmPaths } from '@exuvia/contract';
import { listIfExists } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { handoverFiles } from './layout.ts';
import { type QemuRuntime, removeBootFiles, removeOldRuntimes } from './runtime.ts';
import { installRuntimes } from './runtimes.ts';

/** Removes what the update needed; what `exuvia recover` needs stays as long as a state of its VMs is kept. */
export async function cleanUp(dependencies: HandoverDependencies, context: StepContext): Promise<void> {
  await rm(join(context.directory, 'initramfs'), { force: true });
  await rm(join(context.directory, 'pause-plan'), { force: true });
  await rm(join(context.directory, 'fallback-initramfs'), { force: true });
  await rm(join(context.directory, 'fallback-kernel'), { force: true });
  const { directory, fallbackKernel, fallbackInitramfs } = handoverFiles(context.plan.id);
  await rm(fallbackKernel, { force: true });
  await rm(fallbackInitramfs, { force: true });
  // Of earlier updates as well: what they kept has been recovered or given up by then.
  if (!(await keepsStates())) await rm(dirname(directory), { recursive: true, force: true });
  await removeBootFiles();
  await removeOldRuntimes(await neededRuntimes(dependencies, context.plan));
}

/** For the next update; of a VM that is gone nobody knows what it was started with. */
async function neededRuntimes({ vms }: HandoverDependencies, plan: Plan): Promise<QemuRuntime[]> {
  const found = await Promise.all(plan.vms.map(({ name }) => vms.get(name)));
  const there = new Set(found.filter(({ ramFile }) => ramFile !== null).map(({ name }) => name));
  const runtimes = await installRuntimes(
    { vms },
    { ...plan, vms: plan.vms.filter(({ name }) => there.has(name)) },
  );
  return [...runtimes.values()];
}

/** True when a saved state of any VM lies in the store: it is worth nothing without its manifest. */
async function keepsStates(): Promise<boolean> {
  const vms = dirname(vmPaths('any').store);
  for (const name of await listIfExists(vms)) {
    if ((await listIfExists(join(vms, name))).includes('device-state')) return true;
  }
  return false;
}
