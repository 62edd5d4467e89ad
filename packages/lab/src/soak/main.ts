import { parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import { endLabWhenInterrupted } from '../host/interrupted.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { EX_USAGE } from '../support/usage.ts';
import { type SoakOptions, soakOptions } from './options.ts';
import { exitStatusOf, renderSoak } from './result.ts';
import { soak } from './soak.ts';

/**
 * Chains updates of mixed kinds over one lab host under load. `npm run soak -- --help` says with which options.
 *
 * Exits with 2 when a VM was lost, its work was damaged, or something grows; else 1 when an update failed or was refused;
 * 64 when the options are wrong.
 */
const progress = stderrProgress();

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    return await soakLab(soakOptions(args));
  } catch (thrown) {
    const { error } = toErrorBody(thrown);
    progress.say(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
    if (args.includes('--json')) process.stdout.write(`${JSON.stringify({ error })}\n`);
    return error.code === 'usage' ? EX_USAGE : 1;
  }
}

async function soakLab({ updates, json }: SoakOptions): Promise<number> {
  let state: LabState | null = null;
  endLabWhenInterrupted(progress);
  try {
    state = await labUp(
      { cpus: 3, memoryBytes: parseSize('5G') ?? 0, store: '2G', kernel: '6.12', refresh: false },
      progress,
    );
    const result = await soak(state, { updates }, progress);
    (json ? process.stderr : process.stdout).write(renderSoak(result));
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return exitStatusOf(result);
  } finally {
    if (state !== null) await labDown();
  }
}
