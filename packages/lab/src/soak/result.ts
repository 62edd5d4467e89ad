import type { HandoverKind } from '@exuvia/contract';
import type { Growth, Sighting } from './growth.ts';

/** The last line of `npm run soak -- --json`. */
export interface SoakResult {
  /** Those that were completed. */
  readonly updates: number;
  /** Why there were no more. */
  readonly problem?: string;
  readonly byHandover: Readonly<Record<string, number>>;
  readonly vmsLost: number;
  readonly integrityErrors: number;
  /** The longest blackout of any VM in any of them; 0 when there was none. */
  readonly maxBlackoutMs: number;
  /** The same by handover: an update by reboot takes as long as the machine. */
  readonly maxBlackoutMsByHandover: LongestBlackouts;
  /** First against last after each kind of update, under the same kernel and QEMUs; empty when nothing came twice. */
  readonly growth: readonly Growth[];
  /** What was counted at the start and after every update: the series that `growth` is taken from. */
  readonly sightings: readonly Sighting[];
}

/** The longest blackout of any VM, ms; `null` of a handover by which there was no update. */
export type LongestBlackouts = Readonly<Record<HandoverKind, number | null>>;

export const NO_BLACKOUTS: LongestBlackouts = { kexec: null, vmm: null, module: null, reboot: null };

/** With the blackouts of one update more. Pure. */
export function withBlackouts(
  longest: LongestBlackouts,
  kind: HandoverKind,
  blackoutsMs: readonly number[],
): LongestBlackouts {
  return { ...longest, [kind]: Math.max(longest[kind] ?? 0, ...blackoutsMs) };
}

/** The longest of all handovers'; 0 when there was no update. Pure. */
export function longestOf(longest: LongestBlackouts): number {
  return Math.max(...Object.values(longest).map((blackoutMs) => blackoutMs ?? 0));
}

/** 2: a VM was lost, its work damaged, or something grows; 1: an update failed or was refused, and nothing of that. */
export function exitStatusOf({ problem, vmsLost, integrityErrors, growth }: SoakResult): 0 | 1 | 2 {
  if (vmsLost > 0 || integrityErrors > 0 || growth.some(({ grows }) => grows)) return 2;
  return problem === undefined ? 0 : 1;
}

export function renderSoak(result: SoakResult): string {
  const kinds = Object.entries(result.byHandover).map(([kind, count]) => `${count} by ${kind}`);
  const lines = [
    `${result.updates} updates (${kinds.join(', ')}): ${result.vmsLost} VMs lost, ${result.integrityErrors} integrity errors.`,
    ...blackoutLines(result),
    ...(result.problem === undefined ? [] : [`It ended there: ${result.problem}`]),
    ...growthLines(result.growth),
  ];
  return `${lines.join('\n')}\n`;
}

function blackoutLines({ maxBlackoutMs, maxBlackoutMsByHandover }: SoakResult): string[] {
  const kinds = Object.entries(maxBlackoutMsByHandover).flatMap(([kind, blackoutMs]) =>
    blackoutMs === null ? [] : [`${kind} ${blackoutMs.toFixed(0)} ms`],
  );
  if (kinds.length === 0) return [];
  return [`Longest blackout: ${maxBlackoutMs.toFixed(0)} ms (${kinds.join(', ')}).`];
}

function growthLines(growth: readonly Growth[]): string[] {
  if (growth.length === 0) {
    return [
      'Growth: not shown. No kind of update came twice under the same kernel and QEMUs; ten updates do.',
    ];
  }
  const kinds = [...new Set(growth.map(({ under }) => under))];
  return kinds.flatMap((kind) => [
    `${kind}:`,
    ...growth
      .filter(({ under }) => under === kind)
      .map(
        ({ what, before, after, grows }) =>
          `${grows ? 'GROWS ' : '      '}${what.padEnd(12)} ${before} -> ${after}`,
      ),
  ]);
}
