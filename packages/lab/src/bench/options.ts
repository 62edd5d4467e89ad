import { readArguments, usage } from '../support/usage.ts';

const HELP = 'npm run bench -- --help';

export const BENCHMARKS = ['kexec', 'abort', 'vmm', 'many', 'guest'] as const;

export interface BenchOptions {
  readonly benchmark: (typeof BENCHMARKS)[number];
  /** null: as many as that benchmark has by default. */
  readonly runs: number | null;
  /** Of `many`. */
  readonly guests: number;
  /** Of `guest`, as the next. */
  readonly pairs: number;
  readonly toggles: number;
  readonly json: boolean;
}

/**
 * Reads `BENCHMARK [--runs N] [--guests N] [--pairs N] [--toggles N] [--json]`; scripts/bootstrap.mjs has the help.
 *
 * @throws ExuviaError `usage`.
 */
export function benchOptions(args: readonly string[]): BenchOptions {
  const options = {
    runs: { type: 'string' },
    guests: { type: 'string', default: '8' },
    pairs: { type: 'string', default: '200' },
    toggles: { type: 'string', default: '10000' },
    json: { type: 'boolean', default: false },
  } as const;
  const { values, positionals } = readArguments({ args: [...args], options, allowPositionals: true }, HELP);
  return {
    benchmark: benchmarkOf(positionals),
    runs: values.runs === undefined ? null : count('runs', values.runs),
    guests: count('guests', values.guests),
    pairs: count('pairs', values.pairs),
    toggles: count('toggles', values.toggles),
    json: values.json,
  };
}

function benchmarkOf(words: readonly string[]): BenchOptions['benchmark'] {
  const found = BENCHMARKS.find((name) => name === words.join(' '));
  if (found !== undefined) return found;
  const given = words.length === 0 ? 'A benchmark is missing:' : `"${words.join(' ')}" is no benchmark:`;
  throw usage(`${given} give one of ${BENCHMARKS.join(', ')}.`, HELP);
}

function count(option: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw usage(`--${option} ${text} is no whole number from 1.`, HELP);
}
