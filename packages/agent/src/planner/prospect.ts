import type { Doctor, Host, Plan, Report, Vm } from '@exuvia/contract';
import type { Handover, PlanTarget } from '../kinds.ts';
import { type Candidate, shortfall } from './alternatives.ts';
import { checksFor, expectedBlackoutMs, leftOutChecks, leftOutOf } from './build.ts';

export interface Found {
  readonly doctor: Doctor;
  readonly pastReports: readonly Report[];
  readonly host: Host;
  /** Those that run. */
  readonly vms: readonly Vm[];
}

export interface Prospect extends Candidate {
  readonly vms: readonly Vm[];
}

/** What an update by one handover would do and what stands in its way; VMs that it leaves out are not looked at. */
export async function lookInto(handover: Handover, target: PlanTarget, found: Found): Promise<Prospect> {
  const { kind } = handover;
  const { doctor, pastReports, host } = found;
  const about = {
    kind,
    shortfall: shortfall(kind, target, host.kernel),
    expectedBlackoutMs: expectedBlackoutMs(pastReports, kind),
  };
  if (about.shortfall !== null) return { ...about, checks: null, vms: found.vms, leftOut: [] };
  const before = checksFor(kind, doctor, namesOf(found.vms));
  const early = leftOutOf(kind, before, found.vms);
  const candidates = without(found.vms, early);
  const own = await handover.checks(target, candidates);
  const late = leftOutOf(kind, own, candidates);
  const leftOut = [...early, ...late];
  const left = namesOf(leftOut);
  const all = [...before, ...own];
  const others = all.filter(({ subject }) => !left.has(subject));
  return {
    ...about,
    vms: without(candidates, late),
    leftOut,
    checks: [...others, ...leftOutChecks(kind, leftOut, all)],
  };
}

function namesOf(some: readonly { readonly name: string }[]): ReadonlySet<string> {
  return new Set(some.map(({ name }) => name));
}

function without(vms: readonly Vm[], leftOut: Plan['leftOut']): Vm[] {
  const left = namesOf(leftOut);
  return vms.filter(({ name }) => !left.has(name));
}
