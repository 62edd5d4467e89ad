import { ExuviaError, PHASES, type PhaseName, type PhaseTiming } from '@exuvia/contract';
import type { Timings } from '../shared/report.ts';
import type { Stamps } from '../shared/stamp-lines.ts';

/**
 * Computes the ten phases from the stamps of both sides.
 *
 * Every host phase ends where the next one begins, so that they add up; a VM's own times are given beside
 * them. `kernel shutdown` ends where the new kernel's clock starts (its monotonic clock, Linux
 * kernel/time/timekeeping.c): what runs before that, purgatory and decompression included, counts to it.
 *
 * @param tscKhz frequency of the TSC in kHz.
 * @throws ExuviaError `stamps-incomplete`, naming the stamp that is missing.
 */
export function computeTimings(before: Stamps, after: Stamps, tscKhz: number): Timings {
  const ms = (from: bigint, to: bigint) => Number(to - from) / tscKhz;
  const first = (from: Stamps, name: string) => pick(from, name, (a, b) => a < b);
  const last = (from: Stamps, name: string) => pick(from, name, (a, b) => a > b);
  const initStart = first(after, 'init-start');
  const kernelStart = initStart - ((after.kernelNs ?? 0n) * BigInt(Math.round(tscKhz))) / 1_000_000n;
  const ends: Record<PhaseName, bigint> = {
    'VM suspend': first(before, 'suspend-vms'),
    'VM save': first(before, 'save-vms'),
    'QEMU shutdown': first(before, 'seal-state'),
    'userland shutdown': last(before, 'jump'),
    'kernel shutdown': kernelStart,
    'kernel startup': initStart,
    'userland startup': first(after, 'qemu-exec'),
    'QEMU startup': last(after, 'qemu-ready'),
    'VM restore': last(after, 'restored'),
    'VM resume': last(after, 'resumed'),
  };
  let at = first(before, 'begin');
  const phases = PHASES.map((name) => {
    const timing = { name, ms: Math.max(0, ms(at, ends[name])) };
    at = ends[name];
    return timing;
  });
  const stopped = byVm(before, 'vm-stop-event');
  const resumed = byVm(after, 'resumed');
  const pausedMs = new Map<string, number>();
  for (const [vm, tsc] of resumed) {
    const stop = stopped.get(vm);
    if (stop !== undefined) pausedMs.set(vm, ms(stop, tsc));
  }
  return {
    phases,
    perVm: perVmTimings(before, after, ms),
    totalMs: ms(first(before, 'vm-stop-event'), last(after, 'resumed')),
    totalIsApart: true,
    pausedMs,
  };
}

function perVmTimings(before: Stamps, after: Stamps, ms: (from: bigint, to: bigint) => number) {
  const begin = pick(before, 'begin', (a, b) => a < b);
  const marks: readonly [PhaseName, ReadonlyMap<string, bigint>, ReadonlyMap<string, bigint> | bigint][] = [
    ['VM suspend', byVm(before, 'vm-stop-event'), begin],
    ['VM save', byVm(before, 'vm-saved'), pick(before, 'suspend-vms', (a, b) => a < b)],
    ['QEMU startup', byVm(after, 'qemu-ready'), byVm(after, 'qemu-exec')],
    ['VM restore', byVm(after, 'restored'), byVm(after, 'qemu-ready')],
    ['VM resume', byVm(after, 'resumed'), byVm(after, 'restored')],
  ];
  const result = new Map<string, PhaseTiming[]>();
  for (const [name, ends, starts] of marks) {
    for (const [vm, end] of ends) {
      const start = typeof starts === 'bigint' ? starts : starts.get(vm);
      if (start === undefined) continue;
      result.set(vm, [...(result.get(vm) ?? []), { name, ms: Math.max(0, ms(start, end)) }]);
    }
  }
  return result;
}

function byVm(from: Stamps, name: string): ReadonlyMap<string, bigint> {
  return new Map(
    from.stamps.flatMap((stamp) =>
      stamp.name === name && stamp.vm !== null ? [[stamp.vm, stamp.tsc] as const] : [],
    ),
  );
}

function pick(from: Stamps, name: string, better: (a: bigint, b: bigint) => boolean): bigint {
  let best: bigint | undefined;
  for (const stamp of from.stamps) {
    if (stamp.name === name && (best === undefined || better(stamp.tsc, best))) best = stamp.tsc;
  }
  if (best !== undefined) return best;
  throw new ExuviaError('stamps-incomplete', `The record of the update lacks the stamp "${name}".`);
}
