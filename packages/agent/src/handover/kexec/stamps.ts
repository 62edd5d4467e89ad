import { ExuviaError, PHASES, type PhaseName, type PhaseTiming } from '@exuvia/contract';
import type { Timings } from '../shared/report.ts';

/** One TSC reading with a name; `vm` is `null` for what concerns the host. */
interface Stamp {
  readonly name: string;
  readonly vm: string | null;
  readonly tsc: bigint;
}

/** What a native program wrote down. */
export interface Stamps {
  readonly stamps: readonly Stamp[];
  /** Readings of TSC and CLOCK_MONOTONIC_RAW (ns) at one moment, for the TSC's frequency. */
  readonly clocks: readonly { readonly tsc: bigint; readonly ns: bigint }[];
  /** How long the kernel had been running at the first clock reading, ns. */
  readonly kernelNs: bigint | null;
  readonly fates: ReadonlyMap<string, { readonly restored: boolean; readonly detail: string }>;
}

const LINE =
  /^(?:stamp (?<stamp>\S+) (?<vm>\S+) (?<at>\d+)|clock (?<tsc>\d+) (?<ns>\d+)|kernel-ns (?<kernel>\d+)|vm (?<name>\S+) (?<fate>restored|failed) (?<detail>.*))$/;

/**
 * Parses the record of exuvia-pause or exuvia-early-restore. Unknown lines are passed over: a newer native
 * program may say more.
 */
export function parseStamps(text: string): Stamps {
  const stamps: Stamp[] = [];
  const clocks: { tsc: bigint; ns: bigint }[] = [];
  const fates = new Map<string, { restored: boolean; detail: string }>();
  let kernelNs: bigint | null = null;
  for (const line of text.split('\n')) {
    const found = LINE.exec(line)?.groups;
    if (found?.stamp !== undefined && found.at !== undefined) {
      const vm = found.vm === '-' ? null : (found.vm ?? null);
      stamps.push({ name: found.stamp, vm, tsc: BigInt(found.at) });
    } else if (found?.tsc !== undefined && found.ns !== undefined) {
      clocks.push({ tsc: BigInt(found.tsc), ns: BigInt(found.ns) });
    } else if (found?.kernel !== undefined) {
      kernelNs = BigInt(found.kernel);
    } else if (found?.name !== undefined) {
      fates.set(found.name, { restored: found.fate === 'restored', detail: found.detail ?? '' });
    }
  }
  return { stamps, clocks, kernelNs, fates };
}

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
    pausedMs,
  };
}

/** The frequency of the TSC in kHz from two readings; `null` when they are too close to say. */
export function tscKhz(
  from: { readonly tsc: bigint; readonly ns: bigint },
  to: { readonly tsc: bigint; readonly ns: bigint },
): number | null {
  const ns = to.ns - from.ns;
  return ns < 50_000_000n ? null : (Number(to.tsc - from.tsc) * 1e6) / Number(ns);
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
