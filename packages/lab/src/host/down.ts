import { withLabLock } from './lock.ts';
import { endMachine } from './machine.ts';
import { lastLab, removeLeftovers } from './state.ts';

/** Ends the lab host, if there is one, and removes what it used. Returns whether one was running. */
export async function labDown(): Promise<boolean> {
  return withLabLock(async () => {
    const state = await lastLab();
    if (state === null) return removeLeftovers();
    await endMachine(state);
    return true;
  });
}
