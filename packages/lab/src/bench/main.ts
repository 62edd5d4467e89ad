import { parseArgs } from 'node:util';
import { ExuviaError, parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import { endLabWhenInterrupted } from '../host/interrupted.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { renderAbortResult, runAbortBenchmark } from './abort.ts';
import { runKexecBenchmark } from './kexec.ts';
import { runManyBenchmark } from './many.ts';
import { manyKeepsLimits, manyResult, renderManyResult } from './many-result.ts';
import { keepsLimits, kexecResult, renderKexecResult } from './result.ts';
import { runVmmBenchmark } from './vmm.ts';
import { renderVmmResult, vmmKeepsLimits, vmmResult } from './vmm-result.ts';

const USAGE = `Usage: npm run bench -- kexec [--runs 5] [--json]
       npm run bench -- abort [--runs 5] [--json]
       npm run bench -- vmm [--runs 10] [--json]
       npm run bench -- many [--runs 3] [--guests 8] [--json]
       npm run bench -- guest [--pairs 200] [--toggles 10000] [--json]

kexec: updates by kexec against a bare kexec and against an ordinary reboot, in a lab host.
abort: how soon every VM runs on after a failure before the jump.
vmm: updates of QEMU against its own live migration.
many: eight VMs against one, by kexec and by vmm --parallel.
guest: patching the kernel of a running guest: pauses, overhead, toggles under load.

Exits with 1 when something failed, 2 when a limit of SPECIFICATION.md is not kept.
`;
const OPTIONS = {
  runs: { type: 'string' },
  guests: { type: 'string', default: '8' },
  pairs: { type: 'string', default: '200' },
  toggles: { type: 'string', default: '10000' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;
const { values: options, positionals } = readArguments();
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
  measure(state: LabState, options: { readonly runs: number }): Promise<Measured>;
}

const ON_LAB: ReadonlyMap<string, OnLab> = new Map([
  [
    'kexec',
    {
      runs: 5,
      async measure(state, options) {
        const result = kexecResult(await runKexecBenchmark(state, options, progress));
        return { result, text: renderKexecResult(result), kept: keepsLimits(result) };
      },
    },
  ],
  [
    'abort',
    {
      runs: 5,
      async measure(state, options) {
        const result = await runAbortBenchmark(state, options, progress);
        return { result, text: renderAbortResult(result), kept: result.medianMs <= result.limitMs };
      },
    },
  ],
  [
    'vmm',
    {
      runs: 10,
      async measure(state, options) {
        const result = vmmResult(await runVmmBenchmark(state, options, progress));
        return { result, text: renderVmmResult(result), kept: vmmKeepsLimits(result) };
      },
    },
  ],
  [
    'many',
    {
      runs: 3,
      async measure(state, { runs }) {
        const guests = count(options.guests);
        const result = manyResult(await runManyBenchmark(state, { runs, guests }, progress));
        return { result, text: renderManyResult(result), kept: manyKeepsLimits(result) };
      },
    },
  ],
]);

process.exitCode = await main();

async function main(): Promise<number> {
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    const { result, text, kept } = await measure(positionals.join());
    // With --json the table goes to stderr, and the result is the only line of stdout.
    (options.json ? process.stderr : process.stdout).write(text);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return kept ? 0 : 2;
  } catch (thrown) {
    const { error } = toErrorBody(thrown);
    progress.say(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
    if (options.json) process.stdout.write(`${JSON.stringify({ error })}\n`);
    return 1;
  }
}

async function measure(what: string): Promise<Measured> {
  const onLab = ON_LAB.get(what);
  if (onLab !== undefined) {
    const runs = options.runs === undefined ? onLab.runs : count(options.runs);
    return withLab((state) => onLab.measure(state, { runs }));
  }
  if (what === 'guest') return guest();
  throw usage();
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

async function guest(): Promise<Measured> {
  const { measureGuest } = await import('./guest/measure.ts');
  const { guestResult, keepsGuestLimits, renderGuestResult } = await import('./guest/result.ts');
  const limits = { pairs: count(options.pairs), toggles: count(options.toggles) };
  const measured = await measureGuest(limits, progress);
  const result = guestResult(measured);
  return { result, text: renderGuestResult(result, measured), kept: keepsGuestLimits(result, measured) };
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw usage();
}

function readArguments() {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(1);
  }
}

function usage(): ExuviaError {
  return new ExuviaError('usage', USAGE);
}
