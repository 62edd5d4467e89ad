import type { Report } from '@exuvia/contract';
import {
  clockSentence,
  isTrouble,
  orderedPhases,
  pauseClock,
  qemuVersion,
  sumSentence,
  totalIs,
  type Verdict,
  type VmFacts,
  vmFacts,
  withoutPhases,
} from '../facts.ts';
import { cleanStrings } from './clean.ts';
import { formatMegabytes, formatMs, formatPercent, formatSpan } from './number.ts';
import { renderTable } from './table.ts';
import { type Terminal, type TextOptions, terminalOf } from './terminal.ts';
import { hang, wrap } from './wrap.ts';

/**
 * The report of an update for a terminal: the ten phases in order, how they add up, what each VM felt, and
 * the versions it was measured on. Ends with a line break.
 */
export function renderReportText(untrusted: Report, options: TextOptions = {}): string {
  const report = cleanStrings(untrusted);
  const terminal = terminalOf(options);
  const blocks = [
    heading(report, terminal),
    ...phaseBlocks(report, terminal),
    ...ownPhaseBlocks(report, terminal),
    ...vmBlocks(report, terminal),
    measuredOn(report, terminal),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function heading(report: Report, terminal: Terminal): string[] {
  const color = { completed: 'green', running: 'cyan', aborted: 'yellow', failed: 'red' } as const;
  const { kernelBefore, kernelAfter, hostname } = report.host;
  const change =
    kernelBefore === kernelAfter
      ? `kernel ${kernelBefore}, unchanged`
      : `kernel ${kernelBefore} -> ${kernelAfter}`;
  const until = report.finishedAt === null ? '' : ` to ${report.finishedAt}`;
  return [
    `${terminal.paint('bold', `Update ${report.update}`)}  ${terminal.paint(color[report.outcome], report.outcome)}`,
    ...(report.reason === null ? [] : hang('  ', report.reason, terminal.width)),
    `  ${hostname}, by ${report.handover}: ${change}`,
    `  ${report.startedAt}${until}`,
  ];
}

function phaseBlocks(report: Report, terminal: Terminal): string[][] {
  const phases = orderedPhases(report);
  if (phases.length === 0) return [[withoutPhases(report)]];
  const sum = phases.reduce((ms, phase) => ms + phase.ms, 0);
  const longest = Math.max(...phases.map((phase) => phase.ms));
  // The name, ms and percent columns with their gaps take 38 characters.
  const barWidth = Math.max(0, Math.min(40, terminal.width - 38));
  const rows = phases.map(({ name, ms }) => [
    name,
    formatMs(ms),
    formatPercent(ms, sum),
    terminal.paint('cyan', longest > 0 ? '#'.repeat(Math.round((ms / longest) * barWidth)) : ''),
  ]);
  const total = report.totalMs === null ? [] : [['total', formatMs(report.totalMs), '', totalIs(report)]];
  const all = [...rows, ['sum', formatMs(sum), formatPercent(sum, sum), 'of the phases'], ...total];
  const table = renderTable(['phase', 'ms', '%', ''], all, {
    align: ['left', 'right', 'right', 'left'],
    color: terminal.color,
  });
  const sentence = sumSentence(report);
  if (sentence === null) return [[table]];
  const lines = wrap(sentence.text, terminal.width);
  return [[table], sentence.flagged ? lines.map((line) => terminal.paint('red', line)) : lines];
}

/** A row a VM with a time of its own, a column a phase; a list where the terminal is too narrow for that. */
function ownPhaseBlocks(report: Report, terminal: Terminal): string[][] {
  const vms = vmFacts(report).filter((vm) => vm.ownPhases.length > 0);
  if (vms.length === 0) return [];
  const own = (vm: VmFacts, name: string) => vm.ownPhases.find((phase) => phase.name === name);
  const names = orderedPhases(report)
    .map((phase) => phase.name)
    .filter((name) => vms.some((vm) => own(vm, name) !== undefined));
  const title = terminal.paint('bold', 'Phases of single VMs, in ms');
  const rows = vms.map((vm) => [
    vm.name,
    ...names.map((name) => {
      const phase = own(vm, name);
      return phase === undefined ? '-' : formatMs(phase.ms);
    }),
  ]);
  const table = renderTable(['VM', ...names], rows, {
    align: ['left', ...names.map(() => 'right' as const)],
  });
  if (table.split('\n').every((line) => line.length <= terminal.width)) return [[title, table]];
  const list = vms.flatMap((vm) =>
    hang(
      `${vm.name}: `,
      vm.ownPhases.map((phase) => `${phase.name} ${formatMs(phase.ms)}`).join(', '),
      terminal.width,
    ),
  );
  return [[title, ...list]];
}

function vmBlocks(report: Report, terminal: Terminal): string[][] {
  const vms = vmFacts(report);
  if (vms.length === 0) return [['This update touched no VM.']];
  const rows = vms.map((vm) => [
    vm.name,
    paintOutcome(vm.outcome, terminal),
    vm.blackoutMs === null ? '-' : formatMs(vm.blackoutMs),
    vm.pausedMs === null ? '-' : formatMs(vm.pausedMs),
    paintVerdict(vm.sameBoot, 'same', 'changed', terminal),
    paintVerdict(vm.heartbeat, 'continued', 'broken', terminal),
    paintVerdict(vm.integrity, 'ok', 'failed', terminal),
  ]);
  const table = renderTable(
    ['VM', 'state', 'blackout ms', 'paused ms', 'boot id', 'heartbeat', 'integrity'],
    rows,
    { align: ['left', 'left', 'right', 'right'], color: terminal.color },
  );
  const { observation } = report;
  const source =
    observation === null
      ? `Nobody outside the host observed this update, so no blackout was measured. paused: ${pauseClock(report)}.`
      : `blackout: the largest gap between two heartbeats, seen by ${observation.observer} outside the host (clock: ${observation.clock}). paused: ${pauseClock(report)}.`;
  const clocks = clockSentence(report);
  return [[table], wrap(source, terminal.width), ...(clocks === null ? [] : [wrap(clocks, terminal.width)])];
}

function paintOutcome(outcome: VmFacts['outcome'], terminal: Terminal): string {
  return terminal.paint(isTrouble(outcome) ? 'red' : 'green', outcome);
}

function paintVerdict(verdict: Verdict, ok: string, failed: string, terminal: Terminal): string {
  if (verdict === 'unknown') return '-';
  return verdict === 'ok' ? terminal.paint('green', ok) : terminal.paint('red', failed);
}

function measuredOn(report: Report, terminal: Terminal): string[] {
  const { cpuModel, cpus, hypervisor, packages, qemu, qemus, sources } = report.host;
  const machine = `${cpuModel}, ${cpus} CPU${cpus === 1 ? '' : 's'}, ${hypervisor === null ? 'bare metal' : `under ${hypervisor}`}`;
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  const further = qemus.map((other) => `${other.binary} ${qemuVersion(other)}`);
  const from = sources.length === 0 ? [] : [`packages from ${sources.join(', ')}`];
  const initramfs =
    report.initramfsBytes === null ? [] : [`initramfs ${formatMegabytes(report.initramfsBytes)}`];
  const paused = report.totalMs === null ? [] : [`paused for ${formatSpan(report.totalMs)} in all`];
  return hang(
    'Measured on: ',
    [machine, `QEMU ${qemu}`, ...versions, ...further, ...from, ...initramfs, ...paused].join('; '),
    terminal.width,
  );
}
