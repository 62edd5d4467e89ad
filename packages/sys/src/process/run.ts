import { constants } from 'node:os';
import { ExuviaError } from '@exuvia/contract';
import { execa } from 'execa';

export interface RunOptions {
  /** Written to the command's standard input; without it standard input is /dev/null. */
  readonly input?: string | Uint8Array;
  /** The command is ended (SIGTERM, then SIGKILL) after so long. Default: 60 s. */
  readonly timeoutMs?: number;
  /** Return instead of throwing when the exit code is not 0. */
  readonly allowFailure?: boolean;
  /** Added to the agent's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Ends the command when it is aborted. */
  readonly signal?: AbortSignal;
  /** Hears every line that it writes to standard error, when it does. */
  heard?(line: string): void;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + signal for a command that a signal ended, as a shell says it. */
  readonly exitCode: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const TAIL_CHARACTERS = 600;

/**
 * Runs a program without a shell and waits for it. Messages of programs are kept in English (LC_ALL=C),
 * since some are parsed. Output is text without its last line break.
 *
 * @throws ExuviaError `command-missing` when there is no such program, `command-timeout` after `timeoutMs`,
 * `command-aborted` when `signal` fired, `command-failed` for any exit code but 0 (unless `allowFailure`).
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await execa(command, args, execaOptions(options));
  const stdout = String(result.stdout ?? '');
  const stderr = String(result.stderr ?? '');
  const exitCode = judge([command, ...args], result, stderr, options);
  return { stdout, stderr, exitCode };
}

interface Ended {
  readonly timedOut: boolean;
  readonly isCanceled: boolean;
  readonly exitCode?: number | undefined;
  readonly signal?: NodeJS.Signals | undefined;
  readonly code?: string | undefined;
  readonly cause?: unknown;
}

/** The exit code of a command that ended as it should have; else throws. */
function judge(command: readonly string[], result: Ended, stderr: string, options: RunOptions): number {
  const line = command.join(' ');
  if (result.timedOut) {
    throw new ExuviaError(
      'command-timeout',
      `\`${line}\` did not end within ${(options.timeoutMs ?? DEFAULT_TIMEOUT_MS) / 1000} s.`,
      withHint(stderr),
    );
  }
  if (result.isCanceled) throw new ExuviaError('command-aborted', `\`${line}\` was aborted.`);
  const exitCode = exitCodeOf(result);
  if (exitCode === undefined) {
    if (result.code !== 'ENOENT') {
      throw new ExuviaError('command-failed', `\`${line}\` could not be started.`, { cause: result.cause });
    }
    throw new ExuviaError('command-missing', `The program \`${command[0]}\` is not installed.`, {
      hint: 'Install the Debian package that contains it.',
    });
  }
  if (exitCode !== 0 && options.allowFailure !== true) {
    throw new ExuviaError(
      'command-failed',
      `\`${line}\` failed with exit code ${exitCode}.`,
      withHint(stderr),
    );
  }
  return exitCode;
}

function execaOptions(options: RunOptions) {
  return {
    reject: false,
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    killSignal: 'SIGTERM',
    forceKillAfterDelay: 5000,
    env: { LC_ALL: 'C', ...options.env },
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.heard === undefined ? {} : { stderr: handedTo(options.heard) }),
  } as const;
}

/** A transform of execa's: one line after the other. */
function handedTo(heard: (line: string) => void) {
  return function* (line: unknown) {
    heard(String(line));
    yield line;
  };
}

function exitCodeOf(result: Ended): number | undefined {
  if (result.exitCode !== undefined) return result.exitCode;
  return result.signal === undefined ? undefined : 128 + constants.signals[result.signal];
}

function withHint(stderr: string): { hint?: string } {
  const tail = stderr.trim().slice(-TAIL_CHARACTERS);
  return tail === '' ? {} : { hint: `It said: ${tail}` };
}

/**
 * As {@link run}, for a program whose output is bytes. Its output may be up to 1 GiB.
 *
 * @throws ExuviaError `command-missing`, `command-failed`, `command-timeout`.
 */
export async function runForBytes(command: string, args: readonly string[]): Promise<Uint8Array> {
  const result = await execa(command, args, {
    ...execaOptions({}),
    encoding: 'buffer',
    stripFinalNewline: false,
    maxBuffer: 2 ** 30,
  });
  judge([command, ...args], result, Buffer.from(result.stderr ?? []).toString(), {});
  return result.stdout;
}
