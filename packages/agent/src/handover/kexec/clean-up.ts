import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { vmPaths } from '@exuvia/contract';
import { listIfExists } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import { QEMU_BINARY } from '../../workload/vm/index.ts';
import { handoverFiles } from './layout.ts';
import { installRuntime, removeBootFiles, removeOldRuntimes } from './runtime.ts';

/** Removes what the update needed; what `exuvia recover` needs stays as long as a state of its VMs is kept. */
export async function cleanUp(context: StepContext): Promise<void> {
  await rm(join(context.directory, 'initramfs'), { force: true });
  await rm(join(context.directory, 'pause-plan'), { force: true });
  await rm(join(context.directory, 'fallback-initramfs'), { force: true });
  const { directory, fallbackKernel, fallbackInitramfs } = handoverFiles(context.plan.id);
  await rm(fallbackKernel, { force: true });
  await rm(fallbackInitramfs, { force: true });
  // Of earlier updates as well: what they kept has been recovered or given up by then.
  if (!(await keepsStates())) await rm(dirname(directory), { recursive: true, force: true });
  await removeBootFiles();
  await removeOldRuntimes(await installRuntime(QEMU_BINARY));
}

/** True when a saved state of any VM lies in the store: it is worth nothing without its manifest. */
async function keepsStates(): Promise<boolean> {
  const vms = dirname(vmPaths('any').store);
  for (const name of await listIfExists(vms)) {
    if ((await listIfExists(join(vms, name))).includes('device-state')) return true;
  }
  return false;
}
