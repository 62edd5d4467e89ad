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
import type { Handover } from '../kinds.ts';
import { buildPlan, checksFor, leftOutChecks, leftOutOf, plannedVms } from './build.ts';
import { chooseKernel, kernelUnknown } from './kernel.ts';
import { requireExecutable } from './outdated.ts';
import { newPlanId, type PlanStore } from './store.ts';

export interface PlannerDependencies {
  readonly handovers: ReadonlyMap<HandoverKind, Handover>;
  readonly plans: PlanStore;
  readonly now: () => Date;
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
      const [host, allVms] = await Promise.all([dependencies.host(), dependencies.vms()]);
      const kernel = await resolveKernel(dependencies, request.kernel, host);
      const kind = request.handover ?? 'kexec';
      const handover = handoverOf(kind);
      const doctor = await dependencies.doctor();
      const leftOut = leftOutOf(kind, doctor, allVms);
      const left = new Set(leftOut.map(({ name }) => name));
      const carried = new Set(plannedVms(allVms).flatMap(({ name }) => (left.has(name) ? [] : [name])));
      const vms = allVms.filter((vm) => carried.has(vm.name));
      const id = newPlanId(now());
      const [own, pastReports] = await Promise.all([
        handover.checks({ ...request, kernel, handover: kind }, vms),
        dependencies.pastReports(),
      ]);
      const plan = buildPlan({
        id,
        createdAt: now(),
        host,
        kernel,
        handover: kind,
        vms,
        leftOut,
        pastReports,
        checks: [...checksFor(kind, doctor, carried), ...leftOutChecks(leftOut, doctor), ...own],
        steps: handover.steps({ id, target: { kernel }, vms: plannedVms(vms), leftOut }),
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

async function resolveKernel(
  { aptLine }: PlannerDependencies,
  requested: string,
  host: Host,
): Promise<string> {
  const kernel = chooseKernel(requested, host.kernels, host.kernel);
  if (kernel !== null) return kernel;
  throw kernelUnknown(requested, host.kernels, await aptLine(requested, host.kernel));
}
