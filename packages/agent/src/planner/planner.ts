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
import type { Handover, RunningQemu } from '../kinds.ts';
import { type Candidate, chooseHandover, explainAlternatives, HANDOVERS, shortfall } from './alternatives.ts';
import { buildPlan, checksFor, expectedBlackoutMs, plannedVms } from './build.ts';
import { judge } from './left-out.ts';
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
      const carried = new Set(plannedVms(allVms).map((vm) => vm.name));
      const vms = allVms.filter((vm) => carried.has(vm.name));
      const candidates = await Promise.all(
        HANDOVERS.filter((kind) => dependencies.handovers.has(kind)).map(async (kind): Promise<Candidate> => {
          const missing = shortfall(kind, target, host.kernel);
          const expected = expectedBlackoutMs(pastReports, kind);
          if (missing !== null) {
            return { kind, checks: null, leftOut: [], shortfall: missing, expectedBlackoutMs: expected };
          }
          const own = await handoverOf(kind).checks(target, vms);
          const judged = judge([...checksFor(kind, doctor, carried), ...own], vms);
          return { kind, ...judged, shortfall: null, expectedBlackoutMs: expected };
        }),
      );
      const chosen = chooseHandover(candidates, request.handover);
      if (chosen?.checks == null) {
        throw insufficient(request.handover ?? 'reboot', chosen?.shortfall ?? 'There is no such handover.');
      }
      const handover = handoverOf(chosen.kind);
      const id = newPlanId(now());
      const livepatches = await dependencies.software.livepatches(target.kernel, handover.staysInBoot);
      const { leftOut } = chosen;
      const taken = vms.filter((vm) => leftOut.every(({ name }) => name !== vm.name));
      const planned = await handover.planVms(plannedVms(taken, running), target);
      const plan = buildPlan({
        ...{ id, host, vms: planned, leftOut, pastReports, checks: chosen.checks, livepatches },
        target: { ...target, modules: [...target.modules] },
        createdAt: now(),
        handover: chosen.kind,
        parallel: request.parallel ?? 1,
        alternatives: explainAlternatives(candidates, chosen, {
          ordered: request.handover !== undefined,
          livepatches: livepatches.length,
        }),
        steps: handover.steps({
          id,
          target: { ...target, modules: [...target.modules] },
          vms: planned,
          leftOut,
        }),
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

function insufficient(kind: HandoverKind, why: string): ExuviaError {
  return new ExuviaError('handover-insufficient', `The handover ${kind} is not enough. ${why}`, {
    hint: 'Leave --handover out: the cheapest that does it is taken.',
  });
}
