import { parseArgs } from 'node:util';
import { ExuviaError, parseSize, toErrorBody } from '@exuvia/contract';
import { labDown } from '../host/down.ts';
import { endLabWhenInterrupted } from '../host/interrupted.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { stderrProgress } from '../support/progress.ts';
import { type SoakResult, soak } from './soak.ts';

/**
 * Chains updates of mixed kinds over one lab host under load.
 *
 *     main.ts [--updates 50] [--json]
 *
 * Exits with 1 when an update failed or was refused, 2 when a VM was lost, its work was damaged, or something grows.
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
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : render(result));
    const grows = result.growth.some((growth) => growth.grows);
    if (result.problem !== undefined) return 1;
    return result.vmsLost === 0 && result.integrityErrors === 0 && !grows ? 0 : 2;
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

function render(result: SoakResult): string {
  const kinds = Object.entries(result.byHandover).map(([kind, count]) => `${count} by ${kind}`);
  const lines = [
    `${result.updates} updates (${kinds.join(', ')}): ${result.vmsLost} VMs lost, ${result.integrityErrors} integrity errors.`,
    `Longest blackout by kexec: ${result.maxBlackoutMs.toFixed(0)} ms.`,
    ...(result.problem === undefined ? [] : [`It ended there: ${result.problem}`]),
    ...(result.growth.length === 0
      ? ['Growth: nothing to compare; more updates bring the same kernel and QEMU back.']
      : []),
    ...result.growth.map(
      ({ what, before, after, grows }) =>
        `${grows ? 'GROWS ' : '      '}${what.padEnd(12)} ${before} -> ${after}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
