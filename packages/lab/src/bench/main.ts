import { parseArgs } from 'node:util';
import { ExuviaError, parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { renderAbortResult, runAbortBenchmark } from './abort.ts';
import { runKexecBenchmark } from './kexec.ts';
import { keepsLimits, kexecResult, renderKexecResult } from './result.ts';
import { runVmmBenchmark } from './vmm.ts';
import { renderVmmResult, vmmKeepsLimits, vmmResult } from './vmm-result.ts';

/**
 * Measures updates by kexec against a bare kexec and against an ordinary reboot, or updates of QEMU against its own
 * live migration.
 *
 *     main.ts kexec [--runs 5] [--json]
 *     main.ts abort [--runs 5] [--json]     how soon every VM runs on after a failure before the jump
 *     main.ts vmm [--runs 10] [--json]
 *
 * Exits with 1 when an update failed, 2 when a limit of SPECIFICATION.md is not kept.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const progress = stderrProgress();

interface Measured {
  readonly result: unknown;
  readonly text: string;
  /** Every limit of SPECIFICATION.md. */
  readonly kept: boolean;
}

interface Benchmark {
  readonly runs: number;
  measure(state: LabState, runs: number): Promise<Measured>;
}

const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([
  [
    'kexec',
    {
      runs: 5,
      async measure(state, runs) {
        const result = kexecResult(await runKexecBenchmark(state, { runs }, progress));
        return { result, text: renderKexecResult(result), kept: keepsLimits(result) };
      },
    },
  ],
  [
    'abort',
    {
      runs: 5,
      async measure(state, runs) {
        const result = await runAbortBenchmark(state, { runs }, progress);
        return { result, text: renderAbortResult(result), kept: result.medianMs <= result.limitMs };
      },
    },
  ],
  [
    'vmm',
    {
      runs: 10,
      async measure(state, runs) {
        const result = vmmResult(await runVmmBenchmark(state, { runs }, progress));
        return { result, text: renderVmmResult(result), kept: vmmKeepsLimits(result) };
      },
    },
  ],
]);

process.exitCode = await main();

async function main(): Promise<number> {
  let state: LabState | null = null;
  try {
    const [what = '', ...rest] = positionals;
    const benchmark = BENCHMARKS.get(what);
    const runs = Number(options.runs ?? benchmark?.runs);
    if (benchmark === undefined || rest.length > 0 || !Number.isInteger(runs) || runs < 1) {
      const kinds = [...BENCHMARKS.keys()].join('|');
      throw new ExuviaError('usage', `Usage: npm run bench -- ${kinds} [--runs N] [--json]`);
    }
    state = await labUp(
      { cpus: 3, memoryBytes: parseSize('5G') ?? 0, store: '2G', kernel: '6.12', refresh: false },
      progress,
    );
    const { result, text, kept } = await benchmark.measure(state, runs);
    if (options.json) process.stderr.write(text);
    else process.stdout.write(text);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return kept ? 0 : 2;
  } catch (thrown) {
    const { error } = toErrorBody(thrown);
    progress.say(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
    if (options.json) process.stdout.write(`${JSON.stringify({ error })}\n`);
    return 1;
  } finally {
    if (state !== null) await labDown();
  }
}
