import { ExuviaError, parseSize, type VmSpec } from '@exuvia/contract';
import { startCommandLine } from '@exuvia/qemu';
import type { VmDependencies } from './dependencies.ts';
import { writeInstance } from './instance.ts';
import { launch } from './launch.ts';
import type { Monitors } from './monitors.ts';
import type { Reality } from './reality.ts';
import { discardMemory } from './stop.ts';
import { requireBridges } from './taps.ts';

/**
 * Starts a VM from its spec. What a VM that died left in the store is overwritten first. One that a full disk has
 * stopped goes on.
 *
 * @throws ExuviaError `vm-running`; `vm-state-not-restored` when a saved state would be lost; `bridge-missing`; `store-full`,
 * `store-missing`; `vm-start-failed` with the end of QEMU's log. Nothing is left behind then.
 */
export async function startVm(
  spec: VmSpec,
  reality: Reality,
  dependencies: VmDependencies,
  monitors: Monitors,
): Promise<void> {
  // QEMU has stopped the guest rather than let a write fail (werror=enospc, its default), and tries that write again.
  if (reality.status === 'io-error') {
    await (await monitors.get(spec.name)).execute('cont');
    return;
  }
  refuse(spec.name, reality);
  await requireBridges(spec, dependencies.network);
  const paths = dependencies.paths(spec.name);
  await discardMemory(spec.name, dependencies);
  const { allowExec } = dependencies.config();
  const commandLine = startCommandLine(spec, paths, { ...dependencies.qemu, allowExec: allowExec ?? false });
  try {
    await dependencies.store.allocate(spec.name, parseSize(spec.memory) ?? 0);
    const startedAt = new Date().toISOString();
    await writeInstance(paths.instance, { version: 1, spec, commandLine, startedAt });
    await launch(spec, commandLine, dependencies, monitors);
  } catch (error) {
    await discardMemory(spec.name, dependencies);
    throw error;
  }
}

function refuse(name: string, { process, saved }: Reality): void {
  if (process !== null) {
    throw new ExuviaError('vm-running', `VM ${name} runs already (pid ${process.pid}).`);
  }
  if (saved) {
    throw new ExuviaError(
      'vm-state-not-restored',
      `VM ${name} was saved for an update and has not been restored; starting it anew would lose its memory.`,
      { hint: `To restore it: exuvia recover ${name}. To give the saved state up: exuvia vm stop ${name}` },
    );
  }
}
