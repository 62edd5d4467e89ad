import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { vmPaths } from '@exuvia/contract';
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
  if (!(await keepsStates(context))) await rm(directory, { recursive: true, force: true });
  await removeBootFiles();
  await removeOldRuntimes(await installRuntime(QEMU_BINARY));
}

async function keepsStates({ plan }: StepContext): Promise<boolean> {
  const kept = await Promise.all(
    plan.vms.map(({ name }) =>
      access(vmPaths(name).deviceState).then(
        () => true,
        () => false,
      ),
    ),
  );
  return kept.includes(true);
}
