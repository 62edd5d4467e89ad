import { stat } from 'node:fs/promises';
import type { Progress } from '../support/progress.ts';
import { endMachine } from './machine.ts';
import { labPaths, lastLab, removeLeftovers } from './state.ts';

const STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/**
 * From now on a process that is interrupted ends the lab host that it has started, and no other; else its QEMU, a
 * process of its own, would go on. The lab's lock dies with the process.
 */
export function endLabWhenInterrupted(progress: Progress): void {
  const begin = Date.now();
  let ending = false;
  for (const [signal, status] of Object.entries(STATUS)) {
    // Not `once`: execa ends the process at a signal that nobody listens to any more.
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      progress.say(`${signal}: ending the lab host`);
      void endLabSince(begin).finally(() => process.exit(status));
    });
  }
}

/** Ends a lab host that was started since `begin`, recorded or not; does nothing to an older one. */
export async function endLabSince(begin: number): Promise<void> {
  const state = await lastLab().catch(() => null);
  if (state !== null) {
    if (Date.parse(state.startedAt) >= begin) await endMachine(state);
    return;
  }
  const startedAt = await stat(labPaths().pidFile).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.NaN,
  );
  if (startedAt >= begin) await removeLeftovers();
}
