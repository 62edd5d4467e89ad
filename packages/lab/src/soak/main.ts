import { parseArgs } from 'node:util';
import { ExuviaError, parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import { endLabWhenInterrupted } from '../host/interrupted.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { exitStatusOf, renderSoak } from './result.ts';
import { soak } from './soak.ts';

/**
 * Chains updates of mixed kinds over one lab host under load.
 *
 *     main.ts [--updates 50] [--json]
 *
 * Exits with 2 when a VM was lost, its work was damaged, or something grows; else 1 when an update failed or was refused.
 */
const progress = stderrProgress();

process.exitCode = await main();

async function main(): Promise<number> {
  let state: LabState | null = null;
  const json = process.argv.includes('--json');
  try {
    const updates = countOf();
    endLabWhenInterrupted(progress);
    state = await labUp(
      { cpus: 3, memoryBytes: parseSize('5G') ?? 0, store: '2G', kernel: '6.12', refresh: false },
      progress,
    );
    const result = await soak(state, { updates }, progress);
    (json ? process.stderr : process.stdout).write(renderSoak(result));
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return exitStatusOf(result);
  } catch (thrown) {
    const { error } = toErrorBody(thrown);
    progress.say(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
    if (json) process.stdout.write(`${JSON.stringify({ error })}\n`);
    return 1;
  } finally {
    if (state !== null) await labDown();
  }
}

function countOf(): number {
  const { values } = parseArgs({
    options: { updates: { type: 'string', default: '50' }, json: { type: 'boolean', default: false } },
  });
  const updates = Number(values.updates);
  if (Number.isInteger(updates) && updates >= 1 && updates <= 10_000) return updates;
  throw new ExuviaError('usage', 'Usage: npm run soak -- [--updates 50] [--json]');
}
