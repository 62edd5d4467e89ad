import { parseArgs } from 'node:util';
import { GuestError } from '../errors.ts';

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  /** The name of one target; all of them without it. */
  readonly target?: string;
  /** Whether cases that did something new are added to the corpus. */
  readonly keep: boolean;
}

/**
 * Reads `[--seconds N] [--seed N] [--target NAME] [--keep]`; scripts/bootstrap.mjs has the help.
 *
 * @throws GuestError `usage`.
 */
export function fuzzOptions(args: readonly string[], targets: readonly string[]): FuzzOptions {
  const { target, keep, ...numbers } = parse(args);
  const seconds = Number(numbers.seconds);
  if (!(seconds > 0 && seconds < 1e6)) throw usage(`--seconds ${numbers.seconds} is no number of seconds.`);
  if (!/^\d{1,9}$/.test(numbers.seed)) throw usage(`--seed ${numbers.seed} is no whole number.`);
  const seed = Number(numbers.seed);
  if (target === undefined) return { seconds, seed, keep };
  if (!targets.includes(target)) throw usage(`--target ${target} is none of ${targets.join(', ')}.`);
  return { seconds, seed, keep, target };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string', default: '60' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        target: { type: 'string' },
        keep: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    // Behind the first sentence is advice for programs that take arguments with a dash.
    throw usage(`${String((error as Error).message.split(/\.\s/)[0])}.`);
  }
}

function usage(message: string): GuestError {
  return new GuestError('usage', `${message} See npm run fuzz -- --help.`);
}
