import {
  KERNEL_PHASES,
  PHASE_SUM_TOLERANCE_PCT,
  PHASES,
  type PhaseTiming,
  type QemuTarget,
  type Report,
} from '@exuvia/contract';
import { formatSpan } from './text/number.ts';

export type Verdict = 'ok' | 'failed' | 'unknown';

/** One VM of a report, with what the observer outside the host saw of it. */
export interface VmFacts {
  readonly name: string;
  readonly outcome: Report['vms'][number]['outcome'];
  /** Measured outside the host; null without an observer. */
  readonly blackoutMs: number | null;
  /** As {@link pauseClock} says. */
  readonly pausedMs: number | null;
  readonly sameBoot: Verdict;
  readonly heartbeat: Verdict;
  readonly integrity: Verdict;
  /** All ten in order, the VM's own time where it has one. Empty when the report has no phases. */
  readonly phases: readonly PhaseTiming[];
  /** Only those in which the VM has a time of its own. */
  readonly ownPhases: readonly PhaseTiming[];
}

/** The VM does not run, and nobody wanted that. */
export function isTrouble(outcome: VmFacts['outcome']): boolean {
  return outcome === 'lost' || outcome === 'paused';
}

/** What is wrong with the VMs of a report: a sentence without an end for each of them. */
export function troubles(report: Report): string[] {
  return vmFacts(report).flatMap((vm) => {
    const wrong = troubleOf(vm);
    return wrong === null ? [] : [`${vm.name} ${wrong}`];
  });
}

function troubleOf({ outcome, sameBoot, heartbeat, integrity }: VmFacts): string | null {
  if (isTrouble(outcome)) return `is ${outcome}`;
  if (sameBoot === 'failed') return 'is another boot of its guest';
  if (heartbeat === 'failed') return 'runs, but the heart of its guest does not beat any more';
  return integrity === 'failed' ? 'runs, but its guest has found wrong data' : null;
}

/** The VMs of the report in its order, joined with the observation by name. */
export function vmFacts(report: Report): VmFacts[] {
  const observed = new Map(report.observation?.vms.map((vm) => [vm.name, vm]));
  return report.vms.map((vm) => {
    const seen = observed.get(vm.name);
    return {
      name: vm.name,
      outcome: vm.outcome,
      blackoutMs: seen?.blackoutMs ?? null,
      pausedMs: vm.pausedMs,
      sameBoot: verdictOf(vm.bootIdSame, seen?.bootIdSame),
      heartbeat: verdictOf(vm.heartbeatContinued, seen?.sequenceMonotonic),
      integrity: seen?.integrity ?? 'unknown',
      phases: orderedPhases(report).map((phase) => vm.phases.find((own) => own.name === phase.name) ?? phase),
      ownPhases: vm.phases,
    };
  });
}

/** A VM stood still in the update, measured or not. */
export function wasPaused(report: Report): boolean {
  return report.vms.some(({ outcome }) => outcome === 'running' || outcome === 'paused');
}

/** What a report without phases says in their place. */
export function withoutPhases(report: Report): string {
  if (wasPaused(report)) return 'VMs were paused; their phases were not measured.';
  const known = report.vms.every(({ outcome }) => outcome === 'untouched');
  return known ? 'No VM was paused.' : 'No phase was measured.';
}

/** The report's phases in the order of {@link PHASES}; empty when they were not measured, or no VM was paused. */
export function orderedPhases(report: Report): PhaseTiming[] {
  return PHASES.flatMap((name) => report.phases.filter((phase) => phase.name === name));
}

/** A QEMU's own version, and the distribution's where it has one. */
export function qemuVersion({ version, package: packaged }: QemuTarget): string {
  return packaged === '' ? version : `${version} (${packaged})`;
}

/** The blackout of the VM that was away longest; null when nobody observed. */
export function slowestBlackoutMs(report: Report): number | null {
  const blackouts = report.observation?.vms.map((vm) => vm.blackoutMs) ?? [];
  return blackouts.length === 0 ? null : Math.max(...blackouts);
}

/** Time in phases that are not the kernel's alone, in ms. */
export function overheadMs(report: Report): number {
  return report.phases
    .filter((phase) => !KERNEL_PHASES.includes(phase.name))
    .reduce((sum, phase) => sum + phase.ms, 0);
}

/** The host's own clock by which the phases are measured. */
export function phaseClock({ handover }: Report): string {
  switch (handover) {
    case 'kexec':
      return 'the time stamp counter of the CPU';
    case 'vmm':
      return "the time stamp counter of the CPU; the host's monotonic clock where a QEMU ended before the next began";
    case 'reboot':
      return "the host's real-time clock, the only one that a reset leaves";
    default:
      return "the host's monotonic clock";
  }
}

/** What the total of a report is: a move of QEMUs stops one VM after the other, and its phases are those of one VM. */
export function totalIs({ handover }: Report): string {
  return handover === 'vmm' ? 'pause of the slowest VM' : 'first stop to last resume';
}

/** One sentence on whether, or why, the phases add up; null when the report has no total. */
export function sumSentence(report: Report): { readonly flagged: boolean; readonly text: string } | null {
  const { deviationPct, phaseSumMs, totalMs } = report;
  if (phaseSumMs === null || totalMs === null) return null;
  if (deviationPct === null) {
    return { flagged: false, text: 'The phases are cut out of the total, so that they always add up to it.' };
  }
  const flagged = deviationPct > PHASE_SUM_TOLERANCE_PCT;
  const deviation = `${deviationPct.toFixed(1)} %`;
  return {
    flagged,
    text: flagged
      ? `The phases differ from the total by ${deviation}, more than the ${PHASE_SUM_TOLERANCE_PCT} % that are tolerated: do not rely on single phases.`
      : `The phases differ from the total by ${deviation}; up to ${PHASE_SUM_TOLERANCE_PCT} % are tolerated.`,
  };
}

/**
 * What the guests' wall clocks show. Those that a guest agent has set are right; the others are behind: a guest's time
 * stands still as long as the guest does (kvm-clock goes on from its saved value; a migration that has stopped the VM itself
 * reads it once more when it saves: QEMU 10.0, hw/i386/kvm/clock.c). Only kexec has stamps of each VM's own, and stops
 * the VMs beforehand: for the other handovers the pause is a bound. Null when no VM was paused.
 */
export function clockSentence(report: Report): string | null {
  const there = report.vms.filter(({ outcome }) => outcome !== 'lost');
  const sentences = [setClocks(there), lateClocks(there, report)].filter((sentence) => sentence !== null);
  return sentences.length === 0 ? null : sentences.join(' ');
}

function setClocks(vms: Report['vms']): string | null {
  const set = vms.flatMap(({ name, clock }) => (clock === null ? [] : [{ name, clock }]));
  if (set.length === 0) return null;
  const furthest = Math.max(...set.map(({ clock }) => Math.abs(clock.offsetMs) + clock.uncertaintyMs));
  const names = set.map(({ name }) => name).join(', ');
  return `Guest agents have set the wall clocks of ${names}, to within ${formatSpan(furthest)} of the host's.`;
}

/** The pauses were not measured: a reset ends the clocks that measure them, and the phases with them. */
function pausesAreBounds({ phases, vms }: Report): boolean {
  return phases.length === 0 && vms.some(({ pausedMs }) => pausedMs !== null);
}

/** How it is known for how long each VM stood still. */
export function pauseClock(report: Report): string {
  const bound = (clock: string) =>
    `from the step that stopped the VMs until they were seen to run again, by the host's ${clock} clock, an upper bound`;
  if (pausesAreBounds(report)) return bound('real-time');
  switch (report.handover) {
    case 'reboot':
      return bound('real-time');
    case 'kexec':
      return 'by the stamps of the host itself, a lower bound';
    case 'vmm':
      return 'by the clocks of the host itself: a lower bound for a VM that moved while both its QEMUs ran, an upper bound for one whose old QEMU ended first';
    default:
      return bound('monotonic');
  }
}

function lateClocks(vms: Report['vms'], report: Report): string | null {
  const late = vms.flatMap(({ name, clock, pausedMs }) =>
    clock !== null || pausedMs === null ? [] : [{ name, pausedMs }],
  );
  if (late.length === 0) return null;
  const paused = late.map(({ pausedMs }) => pausedMs);
  const [least, most] = [formatSpan(Math.min(...paused)), formatSpan(Math.max(...paused))];
  const much = least === most ? least : `${least} to ${most}`;
  const whose =
    late.length === vms.length
      ? "The guests' wall clocks"
      : `Those of ${late.map(({ name }) => name).join(', ')}`;
  const bound = report.handover === 'kexec' && !pausesAreBounds(report) ? '' : 'at most ';
  return `${whose} are behind by ${bound}the time that they were paused (${much}) until a time service in them corrects that.`;
}

// Two witnesses, the agent and the observer: one that saw a failure decides.
function verdictOf(...witnesses: readonly (boolean | null | undefined)[]): Verdict {
  if (witnesses.includes(false)) return 'failed';
  return witnesses.includes(true) ? 'ok' : 'unknown';
}
