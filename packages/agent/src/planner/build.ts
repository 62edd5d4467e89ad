import {
  type Alternative,
  type Check,
  type Doctor,
  type HandoverKind,
  type Host,
  type Livepatch,
  mayBeLeftOut,
  type Plan,
  type PlanStep,
  parseSize,
  passes,
  type Report,
  reasonOf,
  type Vm,
} from '@exuvia/contract';
import type { PlanTarget, RunningQemu } from '../kinds.ts';

export interface PlanInputs {
  readonly id: string;
  readonly createdAt: Date;
  readonly host: Host;
  readonly target: Omit<PlanTarget, 'method'>;
  readonly handover: HandoverKind;
  /** Those that run: the others need nothing from an update. */
  readonly vms: Plan['vms'];
  readonly store: Plan['store'];
  /** Those that cannot be saved, and what their specs say of that. */
  readonly leftOut: Plan['leftOut'];
  readonly parallel: number;
  readonly alternatives: readonly Alternative[];
  readonly livepatches: readonly Livepatch[];
  readonly checks: readonly Check[];
  readonly steps: readonly PlanStep[];
  readonly expectedBlackoutMs: number | null;
}

/** The plan of an update, from everything that was looked up for it. Pure. */
export function buildPlan(inputs: PlanInputs): Plan {
  const { host, handover, target } = inputs;
  const checks = withoutRepeats(inputs.checks);
  return {
    version: 1,
    id: inputs.id,
    createdAt: inputs.createdAt.toISOString(),
    host: {
      hostname: host.hostname,
      bootId: host.bootId,
      kernel: host.kernel,
      qemu: host.qemu ?? 'none',
    },
    target: { kernel: target.kernel, qemu: target.qemu, modules: [...target.modules] },
    handover,
    store: inputs.store,
    vms: inputs.vms,
    leftOut: inputs.leftOut,
    parallel: inputs.parallel,
    checks,
    steps: inputs.steps.map(({ name, phase, description }) => ({ name, phase, description })),
    alternatives: [...inputs.alternatives],
    livepatches: [...inputs.livepatches],
    expectedBlackoutMs: inputs.expectedBlackoutMs,
    aptLine: aptLineOf(checks),
    executable: passes(checks),
  };
}

/**
 * What the doctor found that concerns one handover: everything of the host and of the VMs that it carries,
 * without the failures that do not stand in its way (an update over a reboot needs no kexec). Pure.
 */
export function checksFor(kind: HandoverKind, doctor: Doctor, carried: ReadonlySet<string>): Check[] {
  const reasons = doctor.handovers.find(({ handover }) => handover === kind)?.reasons ?? [];
  const stands = (check: Check) => reasons.includes(reasonOf(check));
  return doctor.checks
    .filter((check) => check.subject === 'host' || carried.has(check.subject))
    .filter((check) => check.verdict !== 'fail' || stands(check));
}

/** VMs that fail their checks and whose specs say that the update goes on without them. Pure. */
export function leftOutOf(kind: HandoverKind, checks: readonly Check[], vms: readonly Vm[]): Plan['leftOut'] {
  return vms.flatMap(({ name, spec: { onFailure } }) => {
    const fails = checks.some(({ subject, verdict }) => subject === name && verdict === 'fail');
    return fails && mayBeLeftOut(kind, onFailure) ? [{ name, action: onFailure }] : [];
  });
}

/** A check for each of them, in place of those that failed. Pure. */
export function leftOutChecks(
  kind: HandoverKind,
  leftOut: Plan['leftOut'],
  checks: readonly Check[],
): Check[] {
  const left = kind === 'vmm' ? 'it stays in its old QEMU' : 'it is left behind and ends with the old kernel';
  return leftOut.map(({ name, action }) => {
    const failed = checks.filter(({ subject, verdict }) => subject === name && verdict === 'fail');
    const what = action === 'shutdown' ? 'it is shut down beforehand and started again afterwards' : left;
    return {
      id: 'vm-on-failure',
      subject: name,
      verdict: 'warn',
      reason: `It cannot be ${kind === 'vmm' ? 'moved' : 'saved'}; as its spec says (onFailure: ${action}), ${what}. ${failed.map(({ reason }) => reason).join(' ')}`,
    };
  });
}

/**
 * The VMs that an update has to carry over, in the order in which they are restored: all that have a QEMU. One in
 * trouble is among them, for its checks to refuse it: it must not end with the old kernel unsaid. Pure.
 */
export function plannedVms(
  vms: readonly Vm[],
  running: ReadonlyMap<string, Pick<RunningQemu, 'version'>> = new Map(),
): Plan['vms'] {
  return vms
    .filter(({ pid }) => pid !== null)
    .map(({ name, spec }) => ({
      name,
      priority: spec.priority,
      memoryBytes: parseSize(spec.memory) ?? 0,
      onFailure: spec.onFailure,
      qemu: running.get(name)?.version ?? null,
      method: null,
    }))
    .sort((a, b) => a.priority - b.priority || a.name.localeCompare(b.name));
}

/**
 * What the slowest VM will probably feel, in milliseconds: the median over the completed updates of that kind
 * of what was observed from outside, or, where nobody observed, of the pause by the host's own stamps.
 */
export function expectedBlackoutMs(reports: readonly Report[], handover: HandoverKind): number | null {
  const past = reports
    .filter((report) => report.handover === handover && report.outcome === 'completed')
    .map(slowestMs)
    .filter((ms) => ms !== null)
    .sort((a, b) => a - b);
  const upper = past[Math.floor(past.length / 2)];
  const lower = past[Math.ceil(past.length / 2) - 1];
  return upper === undefined || lower === undefined ? null : (upper + lower) / 2;
}

function slowestMs(report: Report): number | null {
  const observed = report.observation?.vms.map((vm) => vm.blackoutMs) ?? [];
  const paused = report.vms.map((vm) => vm.pausedMs).filter((ms) => ms !== null);
  const known = observed.length > 0 ? observed : paused;
  return known.length === 0 ? null : Math.max(...known);
}

/** One apt line for everything that the checks miss. */
function aptLineOf(checks: readonly Check[]): string | null {
  const packages = checks.flatMap((check) => {
    const named =
      check.verdict === 'ok'
        ? null
        : /\bapt(?:-get)? install ([a-z0-9][a-z0-9.+ -]*)/.exec(check.remedy ?? '');
    return named?.[1]?.trim().replace(/\.$/, '').split(/ +/) ?? [];
  });
  return packages.length === 0 ? null : `apt install ${[...new Set(packages)].join(' ')}`;
}

/** The doctor and a handover may look at the same thing: the worse verdict counts. */
export function withoutRepeats(checks: readonly Check[]): Check[] {
  const severity = { ok: 0, warn: 1, fail: 2 } as const;
  const worst = new Map<string, Check>();
  for (const check of checks) {
    const key = `${check.subject}\n${check.id}`;
    const other = worst.get(key);
    if (other === undefined || severity[check.verdict] > severity[other.verdict]) worst.set(key, check);
  }
  return [...worst.values()];
}
