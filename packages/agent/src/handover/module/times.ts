import { PHASES, type PhaseName } from '@exuvia/contract';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';
import type { Timings } from '../shared/report.ts';

/** Marks in the order in which they are set; each ends a phase. */
const ENDS: readonly (readonly [mark: string, phase: PhaseName])[] = [
  ['saved', 'VM save'],
  ['ended', 'QEMU shutdown'],
  ['loaded', 'kernel startup'],
  ['restored', 'VM restore'],
];

/** When what happened, ms on this boot's monotonic clock; kept in memory inside the pause, where nothing is written. */
export interface Marks {
  set(mark: 'begin' | 'saved' | 'ended' | 'loaded' | 'restored'): void;
  keep(context: StepContext): Promise<void>;
}

export function createMarks(): Marks {
  const marks: Record<string, number> = {};
  return {
    set(mark) {
      marks[mark] = Number(process.hrtime.bigint() / 1000n) / 1000;
    },
    keep: (context) => context.remember('times', marks),
  };
}

/** The ten phases; `null` when the agent that had begun was killed before it could write them down. */
export async function moduleTimings(context: StepContext): Promise<Timings | null> {
  const marks = z
    .record(z.string(), z.number())
    .catch({})
    .parse(await context.recall('times'));
  const { begin, restored } = marks;
  if (begin === undefined || restored === undefined) return null;
  let at = begin;
  const times = new Map<PhaseName, number>();
  for (const [mark, phase] of ENDS) {
    const end = marks[mark] ?? at;
    times.set(phase, end - at);
    at = end;
  }
  const totalMs = restored - begin;
  return {
    phases: PHASES.map((name) => ({ name, ms: times.get(name) ?? 0 })),
    perVm: new Map(),
    pausedMs: new Map(context.plan.vms.map(({ name }) => [name, totalMs])),
    totalMs,
    totalIsApart: false,
  };
}
