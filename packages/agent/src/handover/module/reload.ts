import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import { kernelRelease, listIfExists, readIfExists, readModuleOptions, run } from '@exuvia/sys';

/** Where {@link keptModule} has copies of what is loaded, for the day on which the files are others. */
export const KEPT_MODULES = '/var/lib/exuvia/modules';

/** VMs stand still meanwhile. */
const UNUSED_LIMIT_MS = 2000;

/** The copy of a module as it was loaded, `null` when there is none. */
export async function keptModule(name: string, folder: string = KEPT_MODULES): Promise<string | null> {
  const directory = join(folder, kernelRelease());
  const file = (await listIfExists(directory)).find((one) => one.startsWith(`${name}.ko`));
  return file === undefined ? null : join(directory, file);
}

/**
 * The modules and everything loaded that uses them, in the order in which they can be unloaded
 * (/sys/module/NAME/holders). Those that are not loaded are left out.
 */
export async function unloadOrder(names: readonly string[], sys = '/sys/module'): Promise<string[]> {
  const order = new Set<string>();
  const visit = async (name: string): Promise<void> => {
    if (order.has(name) || (await readIfExists(join(sys, name, 'initstate'))) === null) return;
    for (const holder of await listIfExists(join(sys, name, 'holders'))) await visit(holder);
    order.add(name);
  };
  for (const name of names) await visit(name.replaceAll('-', '_'));
  return [...order];
}

/**
 * Waits until nobody uses a module. What a process held, the kernel lets go a moment after it has ended (delayed work).
 *
 * @returns whether it is free.
 */
export async function untilUnused(name: string, limitMs: number, sys = '/sys/module'): Promise<boolean> {
  for (const until = performance.now() + limitMs; ; ) {
    if (((await readIfExists(join(sys, name, 'refcnt'))) ?? '0').trim() === '0') return true;
    if (performance.now() > until) return false;
    await sleep(5);
  }
}

/** @throws ExuviaError `module-busy` naming the module; those before it are unloaded by then. */
export async function unloadModules(order: readonly string[]): Promise<void> {
  for (const name of order) {
    await untilUnused(name, UNUSED_LIMIT_MS);
    const { exitCode, stderr } = await run('rmmod', ['--', name], { allowFailure: true });
    if (exitCode === 0 || (await readIfExists(`/sys/module/${name}/initstate`)) === null) continue;
    throw new ExuviaError('module-busy', `The module ${name} cannot be unloaded: ${stderr.trim()}.`, {
      hint: 'Something else than Exuvia’s VMs holds it.',
    });
  }
}

/** Loads modules from their files, the last unloaded first. @throws ExuviaError `module-load-failed`. */
export async function loadModules(order: readonly string[]): Promise<void> {
  for (const name of order.toReversed()) {
    const { exitCode, stderr } = await run('modprobe', ['--', name], { allowFailure: true });
    if (exitCode === 0) continue;
    throw loadFailed(name, stderr, 'Install the package again that its file belongs to.');
  }
}

/**
 * Loads what was loaded before: from its files, or, when one of these fails, as far as there are copies from the copies that
 * were kept when it was loaded. All that lets go is unloaded first then: modules that use one another come from one
 * build. Idempotent.
 *
 * @throws ExuviaError `module-load-failed`: naming the first that cannot be loaded either way; the others are.
 */
export async function loadAgain(order: readonly string[]): Promise<void> {
  try {
    await loadModules(order);
    return;
  } catch {
    // One that is held stays: it is loaded.
    await unloadOrder(order)
      .then(unloadModules)
      .catch(() => {});
  }
  const options = await readModuleOptions();
  const failures: ExuviaError[] = [];
  for (const name of order.toReversed()) {
    if ((await readIfExists(`/sys/module/${name}/initstate`)) !== null) continue;
    const kept = await keptModule(name);
    const [command, args] =
      kept === null
        ? (['modprobe', ['--', name]] as const)
        : (['insmod', [kept, ...(options.get(name) ?? [])]] as const);
    const { exitCode, stderr } = await run(command, [...args], { allowFailure: true });
    if (exitCode !== 0) failures.push(loadFailed(name, stderr, WAITING));
  }
  const [failed] = failures;
  if (failed !== undefined) throw failed;
}

const WAITING = 'Install its package again, then restart the agent: the VMs wait in the store.';

function loadFailed(name: string, stderr: string, hint: string): ExuviaError {
  const why = stderr.trim();
  return new ExuviaError('module-load-failed', `The module ${name} cannot be loaded: ${why}`, { hint });
}
