import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ExuviaError } from '@exuvia/contract';

const TAIL_LINES = 12;

/**
 * Runs a program that takes minutes and hands on every line that it writes to standard error; standard output is left out.
 *
 * @throws ExuviaError `command-failed`, `command-timeout` with the last lines.
 */
export async function runAloud(
  command: string,
  args: readonly string[],
  { timeoutMs, line }: { readonly timeoutMs: number; readonly line: (text: string) => void },
): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  const kill = () => child.kill();
  signal.addEventListener('abort', kill);
  // At a signal this process may end first.
  process.once('exit', kill);
  const tail: string[] = [];
  createInterface(child.stderr).on('line', (text) => {
    line(text);
    tail.push(text);
    if (tail.length > TAIL_LINES) tail.shift();
  });
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject).once('close', resolve);
    });
    if (status === 0) return;
    const hint = { hint: `It said: ${tail.join('\n')}` };
    if (signal.aborted) {
      throw new ExuviaError(
        'command-timeout',
        `\`${command}\` did not end within ${timeoutMs / 1000} s.`,
        hint,
      );
    }
    throw new ExuviaError(
      'command-failed',
      `\`${command}\` failed with exit code ${status ?? 'none'}.`,
      hint,
    );
  } finally {
    process.off('exit', kill);
    signal.removeEventListener('abort', kill);
  }
}
