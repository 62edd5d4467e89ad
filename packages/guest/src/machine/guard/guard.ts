import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { GuestError } from '../../errors.ts';
import { cleanUpAfterDeath } from './program.ts';

export interface Guard {
  /** As long as any process has this open, whoever holds the VM counts as alive. */
  readonly lifeline: Writable;
  /** Ends it; it does nothing more. */
  dismiss(): Promise<void>;
}

/**
 * Starts a small process that outlives this one, should this one be killed at any instruction: then it
 * makes the VM go on, if it stands because of us, and removes the control channel. Returns when it watches.
 *
 * @throws GuestError `guest-guard` when it cannot be started.
 */
export async function startGuard(paths: {
  readonly qmp: string;
  readonly channel: string;
  readonly mark: string;
}): Promise<Guard> {
  const source = `(${cleanUpAfterDeath.toString()})(${JSON.stringify(paths)})`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    // In a session of its own: Ctrl-C and a closed terminal are for us, not for it.
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => undefined);
  const started = await Promise.race([
    once(child.stdout, 'data').then(() => true),
    once(child, 'exit').then(() => false),
    once(child, 'error').then(() => false),
  ]);
  if (!started) {
    throw new GuestError('guest-guard', 'The process that cleans up if this one is killed did not start.');
  }
  return {
    lifeline: child.stdin,
    async dismiss() {
      const exited = child.exitCode === null ? once(child, 'exit') : null;
      child.stdin.end('dismissed\n');
      await exited;
    },
  };
}
