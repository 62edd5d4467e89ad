import { ExuviaError } from '@exuvia/contract';
import { run } from '@exuvia/sys';

/** Above everything ordinary, below what a host's own real-time programs use. */
const PRIORITY = '5';

/**
 * Gives this thread a real-time priority (SCHED_FIFO, by chrt of util-linux): what it does while a VM stands is
 * part of the VM's pause, and on a busy host it would wait for its turn meanwhile. Without the right to do so,
 * or when somebody has given it a priority already, nothing changes.
 *
 * @returns what puts it back among the ordinary.
 */
export async function hurry(): Promise<() => Promise<void>> {
  const nothing = async () => undefined;
  const pid = String(process.pid);
  try {
    const { stdout } = await run('chrt', ['--pid', pid]);
    if (!stdout.includes('policy: SCHED_OTHER')) return nothing;
    await run('chrt', ['--reset-on-fork', '--fifo', '--pid', PRIORITY, pid]);
  } catch (error) {
    if (error instanceof ExuviaError) return nothing;
    throw error;
  }
  return async () => {
    await run('chrt', ['--other', '--pid', '0', pid], { allowFailure: true });
  };
}
