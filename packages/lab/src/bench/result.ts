import { formatMegabytes, formatMs, renderTable } from '@exuvia/report';
import type { FloorRun } from './floor.ts';
import type { KexecRuns } from './kexec.ts';
import { median } from './statistics.ts';

/** The last line of `npm run bench -- kexec --json`; times are medians in ms. */
export interface KexecResult {
  /** A bare kexec from a kernel that came up by kexec, as the one does from which every update here starts. */
  readonly floorMs: number;
  /** A bare kexec from a kernel that the firmware's boot loader started. */
  readonly floorAfterFirmwareMs: number;
  readonly blackoutMs: number;
  readonly ratio: number;
  readonly overheadRatio: number;
  /** Blackout of busy itself with 1 GiB over that with 512 MiB. */
  readonly ramScaling: number;
  readonly rebootBaselineMs: number;
  readonly initramfsBytes: number;
  readonly runs: KexecRuns;
}

/** What an update must reach; SPECIFICATION.md says it too. */
const LIMITS = { ratio: 1.5, overheadRatio: 0.35, ramScalingPct: 5, initramfsBytes: 16_000_000 } as const;

export function kexecResult(runs: KexecRuns): KexecResult {
  const floorMs = median(floorOf(runs, 'kexec'));
  const blackoutMs = median(runs.updates.map((run) => run.blackoutMs));
  const all = [...runs.updates, ...runs.largeUpdates];
  return {
    floorMs,
    floorAfterFirmwareMs: median(floorOf(runs, 'firmware')),
    blackoutMs,
    ratio: blackoutMs / floorMs,
    overheadRatio: median(runs.updates.map(({ overheadMs }) => overheadMs)) / floorMs,
    ramScaling: busyMedian(runs.largeUpdates) / busyMedian(runs.updates),
    rebootBaselineMs: runs.reboot.blackoutMs,
    initramfsBytes: Math.max(...all.map(({ initramfsBytes }) => initramfsBytes ?? Number.NaN)),
    runs,
  };
}

/** Of busy alone: the slowest of the three is often another. */
function busyMedian(runs: KexecRuns['updates']): number {
  return median(runs.map(({ busyBlackoutMs }) => busyBlackoutMs));
}

function floorOf(runs: KexecRuns, start: FloorRun['start']): number[] {
  return runs.floor.filter((run) => run.start === start).map(({ ms }) => ms);
}

/** True when every limit is kept. */
export function keepsLimits(result: KexecResult): boolean {
  return rows(result).every(([, , , kept]) => kept !== 'no');
}

export function renderKexecResult(result: KexecResult): string {
  const each = (numbers: readonly number[]) => numbers.map(formatMs).join(', ');
  return `${renderTable(['medians', 'value', 'limit', 'kept'], rows(result), { align: ['left', 'right', 'right'] })}
runs, in ms
  bare kexec                ${each(floorOf(result.runs, 'kexec'))}
  the same, after firmware  ${each(floorOf(result.runs, 'firmware'))}
  update, busy 512M         ${each(result.runs.updates.map((run) => run.blackoutMs))}
  update, busy 1G           ${each(result.runs.largeUpdates.map((run) => run.blackoutMs))}
  of busy, with 512M        ${each(result.runs.updates.map((run) => run.busyBlackoutMs))}
  of busy, with 1G          ${each(result.runs.largeUpdates.map((run) => run.busyBlackoutMs))}
  update, not the kernel's  ${each(result.runs.updates.map((run) => run.overheadMs))}
`;
}

function rows(result: KexecResult): [string, string, string, string][] {
  const kept = (holds: boolean) => (holds ? 'yes' : 'no');
  const scaling = (result.ramScaling - 1) * 100;
  return [
    ['bare kexec (floor), ms', formatMs(result.floorMs), '', ''],
    ['the same, from a kernel of the boot loader, ms', formatMs(result.floorAfterFirmwareMs), '', ''],
    ['blackout of the slowest VM, ms', formatMs(result.blackoutMs), '', ''],
    ['blackout / floor', result.ratio.toFixed(2), `${LIMITS.ratio}`, kept(result.ratio <= LIMITS.ratio)],
    [
      "not the kernel's / floor",
      result.overheadRatio.toFixed(2),
      `${LIMITS.overheadRatio}`,
      kept(result.overheadRatio <= LIMITS.overheadRatio),
    ],
    [
      'busy at 1G against 512M, %',
      scaling.toFixed(1),
      `${LIMITS.ramScalingPct}`,
      kept(Math.abs(scaling) < LIMITS.ramScalingPct),
    ],
    [
      'initramfs',
      formatMegabytes(result.initramfsBytes),
      formatMegabytes(LIMITS.initramfsBytes),
      kept(result.initramfsBytes <= LIMITS.initramfsBytes),
    ],
    ['reboot baseline, ms', formatMs(result.rebootBaselineMs), '', ''],
    ['reboot baseline / blackout', (result.rebootBaselineMs / result.blackoutMs).toFixed(1), '', ''],
  ];
}
