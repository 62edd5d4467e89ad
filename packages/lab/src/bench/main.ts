import { parseArgs } from 'node:util';
import { ExuviaError, parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { renderAbortResult, runAbortBenchmark } from './abort.ts';
import { runKexecBenchmark } from './kexec.ts';
import { keepsLimits, kexecResult, renderKexecResult } from './result.ts';

/**
 * Measures updates by kexec against a bare kexec and against an ordinary reboot.
 *
 *     main.ts kexec [--runs 5] [--json]
 *     main.ts abort [--runs 5] [--json]     how soon every VM runs on after a failure before the jump
 *
 * Exits with 1 when an update failed, 2 when a limit of SPECIFICATION.md is not kept.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});
const progress = stderrProgress();

interface Measured {
  readonly result: unknown;
  readonly text: string;
  /** Every limit of SPECIFICATION.md. */
  readonly kept: boolean;
}

const MEASURES: Readonly<Record<string, (state: LabState, options: { runs: number }) => Promise<Measured>>> =
  {
    async kexec(state, options) {
      const result = kexecResult(await runKexecBenchmark(state, options, progress));
      return { result, text: renderKexecResult(result), kept: keepsLimits(result) };
    },
    async abort(state, options) {
      const result = await runAbortBenchmark(state, options, progress);
      return { result, text: renderAbortResult(result), kept: result.medianMs <= result.limitMs };
    },
  };

process.exitCode = await main();

async function main(): Promise<number> {
  let state: LabState | null = null;
  try {
    const runs = Number(options.runs);
    const measure = MEASURES[positionals.join()];
    if (measure === undefined || !Number.isInteger(runs) || runs < 1) {
      const kinds = Object.keys(MEASURES).join('|');
      throw new ExuviaError('usage', `Usage: npm run bench -- ${kinds} [--runs 5] [--json]`);
    }
    state = await labUp(
      { cpus: 3, memoryBytes: parseSize('5G') ?? 0, store: '2G', kernel: '6.12', refresh: false },
      progress,
    );
    const { result, text, kept } = await measure(state, { runs });
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
