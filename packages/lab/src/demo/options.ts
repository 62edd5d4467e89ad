import { parseArgs } from 'node:util';
import { ExuviaError, parseSize } from '@exuvia/contract';

export interface DemoOptions {
  /** The kernel that the lab host is updated to, or the beginning of its release; null: the newer one of its two. */
  readonly kernel: string | null;
  /** Memory of the VM busy. */
  readonly busyMemory: string;
  /** Whether the lab host is left running. */
  readonly keep: boolean;
  readonly json: boolean;
}

/**
 * Reads `[--kernel RELEASE] [--busy-memory SIZE] [--keep] [--json]`; scripts/bootstrap.mjs has the help.
 *
 * @throws ExuviaError `usage`.
 */
export function demoOptions(args: readonly string[]): DemoOptions {
  const { 'busy-memory': busyMemory, kernel = null, ...others } = parse(args);
  if (parseSize(busyMemory) === null) throw usage(`--busy-memory ${busyMemory} is no size such as 512M.`);
  return { ...others, kernel, busyMemory };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        kernel: { type: 'string' },
        'busy-memory': { type: 'string', default: '512M' },
        keep: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    // Behind the first sentence is advice for programs that take arguments with a dash.
    throw usage(`${String((error as Error).message.split(/\.\s/)[0])}.`);
  }
}

function usage(message: string): ExuviaError {
  return new ExuviaError('usage', `${message} See npm run demo -- --help.`);
}
