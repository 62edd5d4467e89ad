import { readFile } from 'node:fs/promises';
import { HOST_PATHS } from '@exuvia/contract';
import { CONSOLE_ENTRY, type CpioEntry, cpioArchive, readModule } from '@exuvia/sys';
import type { EarlyNeeds } from './needs.ts';
import { type RestorePlan, renderRestorePlan } from './restore-plan.ts';

/** Path of a module inside the initramfs. */
export function earlyModuleFile(name: string): string {
  return `/modules/${name}.ko`;
}

/**
 * Builds the initramfs of an update: exuvia-early-restore, its plan, and the modules that the VMs need.
 *
 * Not compressed: reading it back costs more than the few megabytes that are copied and hashed on the jump.
 */
export async function buildInitramfs(plan: RestorePlan, needs: EarlyNeeds): Promise<Buffer> {
  const init = await readFile(`${HOST_PATHS.native}/exuvia-early-restore`);
  const modules = await Promise.all(
    needs.modules.map(
      async ({ name, path }): Promise<CpioEntry> => ({
        type: 'file',
        path: earlyModuleFile(name).slice(1),
        data: await readModule(path),
      }),
    ),
  );
  return cpioArchive([
    CONSOLE_ENTRY,
    { type: 'file', path: 'init', mode: 0o755, data: init },
    { type: 'file', path: 'plan', mode: 0o600, data: Buffer.from(renderRestorePlan(plan)) },
    ...modules,
  ]);
}
