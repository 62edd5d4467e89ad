import { memoryProblem } from '../guests/memory.ts';
import { GUEST_NAMES } from '../guests/specs.ts';
import { readArguments, usage } from '../support/usage.ts';

const HELP = 'npm run demo -- --help';
/** The lab host's. */
export const DEMO_STORE = '2G';

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
  const options = {
    kernel: { type: 'string' },
    'busy-memory': { type: 'string', default: '512M' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  } as const;
  const { values } = readArguments({ args: [...args], options }, HELP);
  const { 'busy-memory': busyMemory, kernel = null, ...others } = values;
  const problem = memoryProblem(GUEST_NAMES, busyMemory, DEMO_STORE);
  if (problem !== null) throw usage(problem, HELP);
  return { ...others, kernel, busyMemory };
}
