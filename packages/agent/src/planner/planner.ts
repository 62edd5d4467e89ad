import {
  type Doctor,
  ExuviaError,
  type HandoverKind,
  type Host,
  type Plan,
  type PlanRequest,
  type Report,
  type Vm,
} from '@exuvia/contract';
import type { Handover, PlanTarget, RunningQemu } from '../kinds.ts';
import { type Candidate, chooseHandover, explainAlternatives, HANDOVERS, shortfall } from './alternatives.ts';
import { atOnce, atOnceChecks } from './at-once.ts';
import { buildPlan, checksFor, expectedBlackoutMs, leftOutChecks, leftOutOf, plannedVms } from './build.ts';
import { requireExecutable } from './outdated.ts';
import type { Software } from './software.ts';
import { newPlanId, type PlanStore } from './store.ts';
import { resolveTarget } from './target.ts';

export interface PlannerDependencies {
  readonly handovers: ReadonlyMap<HandoverKind, Handover>;
  readonly plans: PlanStore;
  readonly now: () => Date;
  readonly software: Software;
  /** The QEMUs that VMs run in, by the VM's name. */
  runningQemus(): Promise<ReadonlyMap<string, RunningQemu>>;
  host(): Promise<Host>;
  vms(): Promise<readonly Vm[]>;
  /** What the doctor finds: the checks, and which of them stand in the way of which handover. */
  doctor(): Promise<Doctor>;
  pastReports(): Promise<readonly Report[]>;
  /** Processors that VMs may run on. */
  processors(): number;
  executed(plan: string): boolean;
  aptLine(kernel: string, running: string): Promise<string | null>;
}

export interface Planner {
  /** Looks at the host and writes down what an update would do. Throws ExuviaError `kernel-unknown`. */
  plan(request: PlanRequest): Promise<Plan>;
  read(id: string): Promise<Plan>;
  /** A plan that may be executed now. Throws `plan-unknown`, `plan-outdated`, `plan-not-executable`. */
  executable(id: string): Promise<Plan>;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export function createPlanner(dependencies: PlannerDependencies): Planner {
  const { plans, now } = dependencies;
  const handoverOf = (kind: HandoverKind): Handover => {
    const handover = dependencies.handovers.get(kind);
    if (handover !== undefined) return handover;
    throw new ExuviaError('internal', `There is no handover ${kind}.`);
  };

  return {
    read: (id) => plans.read(id),
    async plan(request) {
      const [host, allVms, doctor, pastReports, running] = await Promise.all([
        dependencies.host(),
        dependencies.vms(),
        dependencies.doctor(),
        dependencies.pastReports(),
        dependencies.runningQemus(),
      ]);
      const target = await resolveTarget(dependencies, request, host, [...running.values()]);
      const carriable = new Set(plannedVms(allVms).map(({ name }) => name));
      const found = { doctor, pastReports, host, vms: allVms.filter(({ name }) => carriable.has(name)) };
      const candidates = await Promise.all(
        [...dependencies.handovers.values()]
          .sort((a, b) => HANDOVERS.indexOf(a.kind) - HANDOVERS.indexOf(b.kind))
          .map((handover) => lookInto(handover, target, found)),
      );
      const chosen = chooseHandover(candidates, request.handover);
      if (chosen?.checks == null) {
        throw insufficient(request.handover ?? 'reboot', chosen?.shortfall ?? 'There is no such handover.');
      }
      const handover = handoverOf(chosen.kind);
      const id = newPlanId(now());
      const livepatches = await dependencies.software.livepatches(target.kernel, handover.staysInBoot);
      const { kind, leftOut, checks } = chosen;
      const processors = dependencies.processors();
      const subject = {
        id,
        leftOut,
        vms: await handover.planVms(plannedVms(chosen.vms, running), target),
        store: await handover.planStore(target),
        target: { ...target, modules: [...target.modules] },
      };
      const plan = buildPlan({
        ...subject,
        ...{ host, handover: kind, livepatches },
        checks: [...checks, ...atOnceChecks(kind, request, { processors, vms: subject.vms.length })],
        expectedBlackoutMs: chosen.expectedBlackoutMs,
        createdAt: now(),
        parallel: atOnce(request, processors),
        alternatives: explainAlternatives(candidates, chosen, {
          ordered: request.handover !== undefined,
          livepatches: livepatches.length,
        }),
        steps: handover.steps(subject),
      });
      await plans.write(plan);
      await plans.prune(new Date(now().getTime() - DAY_MS), dependencies.executed);
      return plan;
    },
    async executable(id) {
      const plan = await plans.read(id);
      const [host, vms] = await Promise.all([dependencies.host(), dependencies.vms()]);
      requireExecutable(plan, { host, vms, steps: handoverOf(plan.handover).steps(plan) });
      return plan;
    },
  };
}

interface Found {
  readonly doctor: Doctor;
  readonly pastReports: readonly Report[];
  readonly host: Host;
  /** Those that run. */
  readonly vms: readonly Vm[];
}

interface Prospect extends Candidate {
  readonly vms: readonly Vm[];
}

/** What an update by one handover would do and what stands in its way; VMs that it leaves out are not looked at. */
async function lookInto(handover: Handover, target: PlanTarget, found: Found): Promise<Prospect> {
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

function insufficient(kind: HandoverKind, why: string): ExuviaError {
  return new ExuviaError('handover-insufficient', `The handover ${kind} is not enough. ${why}`, {
    hint: 'Leave --handover out: the cheapest that does it is taken.',
  });
}
