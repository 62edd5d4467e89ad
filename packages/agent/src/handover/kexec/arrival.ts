import { commandLineValue, readIfExists, splitCommandLine } from '@exuvia/sys';

/** Argument of the new kernel's command line that names the update. */
export const UPDATE_ARGUMENT = 'exuvia.update';

/** True when the running kernel was started by this update's jump, and not by the firmware. */
export async function arrivedBy(update: string): Promise<boolean> {
  const running = splitCommandLine(((await readIfExists('/proc/cmdline')) ?? '').trim());
  return commandLineValue(running, UPDATE_ARGUMENT) === update;
}
