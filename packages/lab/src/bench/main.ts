import { parseArgs } from 'node:util';
import { ExuviaError, parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { runKexecBenchmark } from './kexec.ts';
import { keepsLimits, kexecResult, renderKexecResult } from './result.ts';

const USAGE = `Usage: npm run bench -- kexec [--runs 5] [--json]
       npm run bench -- guest [--pairs 200] [--toggles 10000] [--json]

kexec: updates by kexec against a bare kexec and against an ordinary reboot, in a lab host.
guest: patching the kernel of a running guest: pauses, overhead, toggles under load.

Exits with 1 when something failed, 2 when a limit of SPECIFICATION.md is not kept.
`;
const OPTIONS = {
  runs: { type: 'string', default: '5' },
  pairs: { type: 'string', default: '200' },
  toggles: { type: 'string', default: '10000' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;
const { values: options, positionals } = readArguments();
const progress = stderrProgress();

process.exitCode = await main();

async function main(): Promise<number> {
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    switch (positionals.join()) {
      case 'kexec':
        return await kexec();
      case 'guest':
        return await guest();
      default:
        throw usage();
    }
  } catch (thrown) {
    const { error } = toErrorBody(thrown);
    progress.say(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
    if (options.json) process.stdout.write(`${JSON.stringify({ error })}\n`);
    return 1;
  }
}

async function kexec(): Promise<number> {
  const runs = count(options.runs);
  let state: LabState | null = null;
  try {
    state = await labUp(
      { cpus: 3, memoryBytes: parseSize('5G') ?? 0, store: '2G', kernel: '6.12', refresh: false },
      progress,
    );
    const result = kexecResult(await runKexecBenchmark(state, { runs }, progress));
    tell(result, renderKexecResult(result));
    return keepsLimits(result) ? 0 : 2;
  } finally {
    if (state !== null) await labDown();
  }
}

async function guest(): Promise<number> {
  const { measureGuest } = await import('./guest/measure.ts');
  const { guestResult, keepsGuestLimits, renderGuestResult } = await import('./guest/result.ts');
  const limits = { pairs: count(options.pairs), toggles: count(options.toggles) };
  const measured = await measureGuest(limits, progress);
  const result = guestResult(measured);
  tell(result, renderGuestResult(result, measured));
  return keepsGuestLimits(result, measured) ? 0 : 2;
}

/** With --json the table goes to stderr, and the result is the only line of stdout. */
function tell(result: object, text: string): void {
  if (options.json) process.stderr.write(text);
  else process.stdout.write(text);
  if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
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
