import { parseArgs } from 'node:util';
import { ExuviaError, parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { runKexecBenchmark } from './kexec.ts';
import { keepsLimits, kexecResult, renderKexecResult } from './result.ts';
import { runVmmBenchmark } from './vmm.ts';
import { renderVmmResult, vmmKeepsLimits, vmmResult } from './vmm-result.ts';

/**
 * Measures updates by kexec against a bare kexec and against an ordinary reboot, updates of QEMU against its own
 * live migration, and patching of a running guest's kernel.
 *
 *     main.ts kexec [--runs 5] [--json]
 *     main.ts vmm [--runs 10] [--json]
 *     main.ts guest [--pairs 200] [--toggles 10000] [--json]
 *
 * Exits with 1 when an update failed, 2 when a limit of SPECIFICATION.md is not kept.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string' },
    pairs: { type: 'string', default: '200' },
    toggles: { type: 'string', default: '10000' },
    json: { type: 'boolean', default: false },
  },
});
const progress = stderrProgress();

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    switch (positionals.join()) {
      case 'kexec':
        return await onLabHost(kexec);
      case 'vmm':
        return await onLabHost(vmm);
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

/** A lab host for one benchmark; it ends with it. */
async function onLabHost(measure: (state: LabState) => Promise<number>): Promise<number> {
  let state: LabState | null = null;
  try {
    state = await labUp(
      { cpus: 3, memoryBytes: parseSize('5G') ?? 0, store: '2G', kernel: '6.12', refresh: false },
      progress,
    );
    return await measure(state);
  } finally {
    if (state !== null) await labDown();
  }
}

async function kexec(state: LabState): Promise<number> {
  const runs = count(options.runs ?? '5');
  const result = kexecResult(await runKexecBenchmark(state, { runs }, progress));
  tell(result, renderKexecResult(result));
  return keepsLimits(result) ? 0 : 2;
}

async function vmm(state: LabState): Promise<number> {
  const runs = count(options.runs ?? '10');
  const result = vmmResult(await runVmmBenchmark(state, { runs }, progress));
  tell(result, renderVmmResult(result));
  return vmmKeepsLimits(result) ? 0 : 2;
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

function usage(): ExuviaError {
  return new ExuviaError(
    'usage',
    'Usage: npm run bench -- (kexec [--runs 5] | vmm [--runs 10] | guest [--pairs 200] [--toggles 10000]) [--json]',
  );
}
