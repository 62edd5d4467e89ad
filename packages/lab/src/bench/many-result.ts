import type { HandoverKind } from '@exuvia/contract';
import { formatMs, renderTable } from '@exuvia/report';
import type { Blackout, ManyRun, ManyRuns } from './many.ts';
import { median } from './statistics.ts';

/** One way of updating, with many VMs against one. */
interface Comparison {
  readonly handover: HandoverKind;
  /** Median of the runs with one VM, ms. */
  readonly singleMs: number;
  /** Median of the slowest VM's of each run with many, ms. */
  readonly slowestMs: number;
  readonly ratio: number;
  /** How long all VMs stood still at once, in the run in which that was shortest; negative: never all of them. */
  readonly overlapMs: number;
  /** Runs in which the VM that comes first by priority was among the first half to run on. */
  readonly firstWasEarly: number;
  readonly runs: number;
}

/** The last line of `npm run bench -- many --json`. */
export interface ManyResult {
  readonly guests: number;
  readonly comparisons: readonly Comparison[];
  readonly runs: ManyRuns;
}

/** What many VMs must reach; SPECIFICATION.md says it too. */
const LIMIT_RATIO = 1.5;

export function manyResult(runs: ManyRuns): ManyResult {
  const kinds = [...new Set(runs.many.map(({ handover }) => handover))];
  return {
    guests: runs.many[0]?.blackouts.length ?? 0,
    comparisons: kinds.map((handover) => compare(handover, runs)),
    runs,
  };
}

function compare(handover: HandoverKind, { single, many }: ManyRuns): Comparison {
  const slowest = (run: ManyRun) => Math.max(...run.blackouts.map(lengthMs));
  const those = many.filter((run) => run.handover === handover);
  const singleMs = median(single.filter((run) => run.handover === handover).map(slowest));
  const slowestMs = median(those.map(slowest));
  return {
    handover,
    singleMs,
    slowestMs,
    ratio: slowestMs / singleMs,
    overlapMs: Math.min(...those.map(({ blackouts }) => overlapMs(blackouts))),
    firstWasEarly: those.filter(({ blackouts }) => rankOfFirst(blackouts) < blackouts.length / 2).length,
    runs: those.length,
  };
}

/** How long all of them stood still at once; negative when there was no such moment. */
export function overlapMs(blackouts: readonly Blackout[]): number {
  return Math.min(...blackouts.map(({ toMs }) => toMs)) - Math.max(...blackouts.map(({ fromMs }) => fromMs));
}

/** How many ran on before the one that comes first by priority. */
export function rankOfFirst([first, ...others]: readonly Blackout[]): number {
  return others.filter(({ toMs }) => first !== undefined && toMs < first.toMs).length;
}

function lengthMs({ fromMs, toMs }: Blackout): number {
  return toMs - fromMs;
}

/** True when every limit is kept. */
export function manyKeepsLimits({ comparisons }: ManyResult): boolean {
  return comparisons.every(({ ratio, overlapMs: overlap }) => ratio <= LIMIT_RATIO && overlap > 0);
}

export function renderManyResult(result: ManyResult): string {
  const kept = (holds: boolean) => (holds ? 'yes' : 'no');
  const rows = result.comparisons.flatMap((one) => [
    [`${one.handover}: one VM alone, ms`, formatMs(one.singleMs), '', ''],
    [`${one.handover}: the slowest of ${result.guests}, ms`, formatMs(one.slowestMs), '', ''],
    [
      `${one.handover}: slowest of ${result.guests} / one alone`,
      one.ratio.toFixed(2),
      `${LIMIT_RATIO}`,
      kept(one.ratio <= LIMIT_RATIO),
    ],
    [`${one.handover}: all stood still at once, ms`, formatMs(one.overlapMs), '> 0', kept(one.overlapMs > 0)],
    [`${one.handover}: the first by priority ran on early`, `${one.firstWasEarly} of ${one.runs}`, '', ''],
  ]);
  const lists = result.runs.many.map(
    ({ handover, blackouts }) =>
      `  ${handover.padEnd(6)} ${inOrder(blackouts)
        .map((one) => `${one.name} ${formatMs(one.fromMs)}-${formatMs(one.toMs)}`)
        .join(', ')}`,
  );
  return `${renderTable(['medians', 'value', 'limit', 'kept'], rows, { align: ['left', 'right', 'right'] })}
runs with ${result.guests} VMs, in the order in which they ran on: from when to when each stood still, ms
${lists.join('\n')}
`;
}

function inOrder(blackouts: readonly Blackout[]): Blackout[] {
  return blackouts.toSorted((a, b) => a.toMs - b.toMs);
}
