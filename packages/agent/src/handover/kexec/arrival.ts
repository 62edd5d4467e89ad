import { commandLineValue, readIfExists, splitCommandLine } from '@exuvia/sys';

/** Argument of the new kernel's command line that names the update. */
export const UPDATE_ARGUMENT = 'exuvia.update';
/** The same of the kernel that was gone back to. */
export const FALLBACK_ARGUMENT = 'exuvia.fallback';

/** True when the running kernel is the one that this update's jump led to. */
export async function arrivedBy(update: string): Promise<boolean> {
  return (await argument(UPDATE_ARGUMENT)) === update && !(await goneBackBy(update));
}

/** True when the new kernel has jumped back into this one. */
export async function goneBackBy(update: string): Promise<boolean> {
  return (await argument(FALLBACK_ARGUMENT)) === update;
}

async function argument(name: string): Promise<string | null> {
  const running = splitCommandLine(((await readIfExists('/proc/cmdline')) ?? '').trim());
  return commandLineValue(running, name);
}
