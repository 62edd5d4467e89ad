import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const LIMIT_MS = 30_000;

/**
 * Waits while the host's agent is starting: after a boot a login may be possible before it serves. Returns at
 * once when it serves, when this user may not ask it, or when systemd knows that it is not about to serve; never
 * throws.
 */
export async function waitWhileAgentStarts(socketPath: string): Promise<void> {
  for (const until = performance.now() + LIMIT_MS; performance.now() < until; await sleep(200)) {
    if ((await answerOf(socketPath)) !== 'none') return;
    if (!(await isStarting())) return;
  }
}

function answerOf(socketPath: string): Promise<'serves' | 'forbidden' | 'none'> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve('serves');
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code === 'EACCES' || code === 'EPERM' ? 'forbidden' : 'none');
    });
  });
}

/** `is-active` prints the state and fails for every other one than `active`. */
async function isStarting(): Promise<boolean> {
  const said = promisify(execFile)('systemctl', ['is-active', 'exuvia-agent.service']);
  const { stdout } = await said.catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  return /^(active|activating|reloading)$/.test(stdout.trim());
}
