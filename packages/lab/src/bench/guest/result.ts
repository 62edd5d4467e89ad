import { renderTable } from '@exuvia/report';
import { median, percentile } from '../statistics.ts';
import type { GuestMeasurements } from './measure.ts';

/** The last line of `npm run bench -- guest --json`. */
export interface GuestResult {
  /** Of all stops in which functions were switched, as the guest's counter shows them from outside. */
  readonly pauseUs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Of stops of the same VM with nothing in them. */
  readonly emptyStopUs: { readonly p50: number; readonly p99: number };
  /** From a patch that is read and a VM that is attached to a patch that nobody waits for; median. */
  readonly applyToCompleteMs: number;
  readonly overheadPct: number;
  /** From connecting to a VM's monitor until its kernel is understood: never seen before, and again; median. */
  readonly attachMs: { readonly first: number; readonly again: number; readonly symbols: number };
  readonly toggles: number;
  readonly oopses: number;
}

/** What patching a guest must reach; SPECIFICATION.md says it too. */
const LIMITS = {
  ownP50Us: 400,
  ownP99Us: 1000,
  applyMs: 50,
  overheadPct: 1,
  firstAttachMs: 1500,
  attachMs: 50,
} as const;

export function guestResult(measured: GuestMeasurements): GuestResult {
  const { pauses, emptyStops } = measured;
  return {
    pauseUs: {
      p50: Math.round(percentile(pauses, 50)),
      p99: Math.round(percentile(pauses, 99)),
      max: Math.round(Math.max(...pauses)),
    },
    emptyStopUs: {
      p50: Math.round(percentile(emptyStops, 50)),
      p99: Math.round(percentile(emptyStops, 99)),
    },
    applyToCompleteMs: round(median(measured.applyMs), 1),
    overheadPct: round((median(slowdowns(measured)) - 1) * 100, 2),
    attachMs: {
      first: Math.round(measured.attach.firstMs),
      again: round(median(measured.attach.againMs), 1),
      symbols: measured.attach.symbols,
    },
    toggles: measured.toggles,
    oopses: measured.oopses,
  };
}

/** Of neighbouring measurements: what slows the machine down for a while slows both down. */
function slowdowns({ patchedNs, plainNs }: GuestMeasurements): number[] {
  return patchedNs.map((ns, round) => ns / (plainNs[round] ?? Number.NaN));
}

/** True when every limit is kept. */
export function keepsGuestLimits(result: GuestResult, measured: GuestMeasurements): boolean {
  return rows(result, measured).every(([, , , kept]) => kept !== 'no');
}

export function renderGuestResult(result: GuestResult, measured: GuestMeasurements): string {
  const table = renderTable(['', 'value', 'limit', 'kept'], rows(result, measured), {
    align: ['left', 'right', 'right'],
  });
  return `${table}\nscheduling: ${measured.scheduling}\n`;
}

function rows(result: GuestResult, measured: GuestMeasurements): [string, string, string, string][] {
  const { pauseUs, emptyStopUs, attachMs } = result;
  const kept = (holds: boolean) => (holds ? 'yes' : 'no');
  const own = (which: 'p50' | 'p99') => Math.max(0, pauseUs[which] - emptyStopUs[which]);
  const { afterFirst, atEnd } = measured.arenaBytes;
  return [
    ['pause seen from outside, p50, us', String(pauseUs.p50), '', ''],
    ['pause seen from outside, p99, us', String(pauseUs.p99), '', ''],
    ['pause seen from outside, longest, us', String(pauseUs.max), '', ''],
    ['empty stop of the same VM, p50, us', String(emptyStopUs.p50), '', ''],
    ['empty stop of the same VM, p99, us', String(emptyStopUs.p99), '', ''],
    [
      "the tool's own share, p50, us",
      String(own('p50')),
      `${LIMITS.ownP50Us}`,
      kept(own('p50') <= LIMITS.ownP50Us),
    ],
    [
      "the tool's own share, p99, us",
      String(own('p99')),
      `${LIMITS.ownP99Us}`,
      kept(own('p99') <= LIMITS.ownP99Us),
    ],
    [
      'apply to complete, p50, ms',
      String(result.applyToCompleteMs),
      `${LIMITS.applyMs}`,
      kept(result.applyToCompleteMs <= LIMITS.applyMs),
    ],
    [
      'a patched call against a plain one, %',
      result.overheadPct.toFixed(2),
      `${LIMITS.overheadPct}`,
      kept(result.overheadPct < LIMITS.overheadPct),
    ],
    [
      `first attach, ${attachMs.symbols} symbols, ms`,
      String(attachMs.first),
      `${LIMITS.firstAttachMs}`,
      kept(attachMs.first < LIMITS.firstAttachMs),
    ],
    [
      'attach again, p50, ms',
      String(attachMs.again),
      `${LIMITS.attachMs}`,
      kept(attachMs.again < LIMITS.attachMs),
    ],
    ['toggles under load', String(result.toggles), '', ''],
    ['oopses and warnings', String(result.oopses), '0', kept(result.oopses === 0)],
    ['wrong results', String(measured.wrongResults), '0', kept(measured.wrongResults === 0)],
    ['bytes of code room ever used', String(atEnd), String(afterFirst), kept(atEnd <= afterFirst)],
  ];
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
