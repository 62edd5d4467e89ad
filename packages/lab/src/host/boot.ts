import { readFile, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import type { Progress } from '../support/progress.ts';
import { endMachine } from './machine.ts';
import { type LabState, labPaths, runningLab } from './state.ts';

/** Boots a lab host; an emulated one that does not come up is booted once more. The lab's lock must be held. */
export async function bootedAtLast(boot: () => Promise<LabState>, progress: Progress): Promise<LabState> {
  try {
    return await boot();
  } catch (error) {
    const stuck = await runningLab();
    if (stuck === null || stuck.accelerator !== 'tcg' || !isNotReady(error)) throw error;
    const { consoleLog, stuckConsoleLog } = labPaths();
    await rename(consoleLog, stuckConsoleLog);
    await endMachine(stuck);
    progress.say(`lab: it did not come up, as an emulated machine may; its console is in ${stuckConsoleLog}`);
    return boot();
  }
}

/** An emulated processor can lose its timer while it boots, and then waits for ever: its kernel says so. */
const STUCK = /kthread timer wakeup didn't happen/;

/** Waits for what a boot leads to, and no longer than the kernel has not said that it stands still. */
export async function unlessStuck(up: Promise<unknown>): Promise<void> {
  const ended = up.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, sleep(5000)]))) {
    const said = await readFile(labPaths().consoleLog, 'utf8').catch(() => '');
    if (STUCK.test(said)) throw new ExuviaError('lab-not-ready', 'The emulated machine has lost its timer.');
  }
  await up;
}

const isNotReady = (error: unknown) => error instanceof ExuviaError && error.code === 'lab-not-ready';
