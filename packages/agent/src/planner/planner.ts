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
import { chooseHandover, explainAlternatives, HANDOVERS } from './alternatives.ts';
import { atOnce, atOnceChecks } from './at-once.ts';
import { buildPlan, plannedVms } from './build.ts';
import { requireExecutable } from './outdated.ts';
import { lookInto } from './prospect.ts';
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

function insufficient(kind: HandoverKind, why: string): ExuviaError {
  return new ExuviaError('handover-insufficient', `The handover ${kind} is not enough. ${why}`, {
    hint: 'Leave --handover out: the cheapest that does it is taken.',
  });
}
