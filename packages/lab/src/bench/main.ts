import { parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import { endLabWhenInterrupted } from '../host/interrupted.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { EX_USAGE } from '../support/usage.ts';
import { renderAbortResult, runAbortBenchmark } from './abort.ts';
import { runKexecBenchmark } from './kexec.ts';
import { runManyBenchmark } from './many.ts';
import { manyKeepsLimits, manyResult, renderManyResult } from './many-result.ts';
import { type BenchOptions, benchOptions } from './options.ts';
import { keepsLimits, kexecResult, renderKexecResult } from './result.ts';
import { runVmmBenchmark } from './vmm.ts';
import { renderVmmResult, vmmKeepsLimits, vmmResult } from './vmm-result.ts';

/**
 * Measures what SPECIFICATION.md promises. `npm run bench -- --help` says what, and with which options.
 *
 * Exits with 1 when something failed, 2 when a limit is not kept, 64 when the options are wrong.
 */
const progress = stderrProgress();

interface Measured {
  readonly result: object;
  readonly text: string;
  /** Every limit of SPECIFICATION.md. */
  readonly kept: boolean;
}

interface OnLab {
  /** By default. */
  readonly runs: number;
  measure(state: LabState, options: { readonly runs: number; readonly guests: number }): Promise<Measured>;
}

const ON_LAB: Readonly<Record<Exclude<BenchOptions['benchmark'], 'guest'>, OnLab>> = {
  kexec: {
    runs: 5,
    async measure(state, options) {
      const result = kexecResult(await runKexecBenchmark(state, options, progress));
      return { result, text: renderKexecResult(result), kept: keepsLimits(result) };
    },
  },
  abort: {
    runs: 5,
    async measure(state, options) {
      const result = await runAbortBenchmark(state, options, progress);
      return { result, text: renderAbortResult(result), kept: result.medianMs <= result.limitMs };
    },
  },
  vmm: {
    runs: 10,
    async measure(state, options) {
      const result = vmmResult(await runVmmBenchmark(state, options, progress));
      return { result, text: renderVmmResult(result), kept: vmmKeepsLimits(result) };
    },
  },
  many: {
    runs: 3,
    async measure(state, options) {
      const result = manyResult(await runManyBenchmark(state, options, progress));
      return { result, text: renderManyResult(result), kept: manyKeepsLimits(result) };
    },
  },
};

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = benchOptions(args);
    const { result, text, kept } = await measure(options);
    // With --json the table goes to stderr, and the result is the only line of stdout.
    (options.json ? process.stderr : process.stdout).write(text);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return kept ? 0 : 2;
  } catch (thrown) {
    const { error } = toErrorBody(thrown);
    progress.say(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
    if (args.includes('--json')) process.stdout.write(`${JSON.stringify({ error })}\n`);
    return error.code === 'usage' ? EX_USAGE : 1;
  }
}

async function measure(options: BenchOptions): Promise<Measured> {
  if (options.benchmark === 'guest') return guest(options);
  const onLab = ON_LAB[options.benchmark];
  return withLab((state) => onLab.measure(state, { ...options, runs: options.runs ?? onLab.runs }));
}

async function withLab(work: (state: LabState) => Promise<Measured>): Promise<Measured> {
  let state: LabState | null = null;
  endLabWhenInterrupted(progress);
  try {
    state = await labUp(
      { cpus: 3, memoryBytes: parseSize('5G') ?? 0, store: '2G', kernel: '6.12', refresh: false },
      progress,
    );
    return await work(state);
  } finally {
    if (state !== null) await labDown();
  }
}

async function guest(options: BenchOptions): Promise<Measured> {
  const { measureGuest } = await import('./guest/measure.ts');
  const { guestResult, keepsGuestLimits, renderGuestResult } = await import('./guest/result.ts');
  const measured = await measureGuest(options, progress);
  const result = guestResult(measured);
  return { result, text: renderGuestResult(result, measured), kept: keepsGuestLimits(result, measured) };
}
