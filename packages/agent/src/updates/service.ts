import {
  EARLY_RESTORE,
  ExuviaError,
  type Fault,
  type Observation,
  type Plan,
  type Report,
  type Update,
  type UpdateRequest,
} from '@exuvia/contract';
import { type Engine, FINISH, type ReportStore, reportWithoutJump } from '../engine/index.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { isEnded, type Journal } from '../journal/index.ts';
import type { VmManager } from '../kinds.ts';
import type { Planner } from '../planner/index.ts';
import { keepFault } from '../recovery/index.ts';

export interface UpdateServiceDependencies {
  readonly journal: Journal;
  readonly engine: Engine;
  readonly planner: Planner;
  readonly reports: ReportStore;
  readonly inventory: Inventory;
  readonly vms: Pick<VmManager, 'list'>;
  allowFaultInjection(): boolean;
}

/** What the API offers of updates. */
export interface UpdateService {
  /** Newest first. */
  list(): Update[];
  /** Throws ExuviaError `update-unknown`. */
  get(id: string): Update;
  /**
   * Starts an update of a plan made before, or makes the plan first.
   *
   * @throws ExuviaError `journal-invalid`, `update-running`, `host-busy`, `request-invalid`, `fault-injection-disabled`,
   * `fault-step-unknown`, `plan-unknown`, `plan-outdated`, `plan-not-executable`, `plan-used`, `kernel-unknown`.
   */
  start(request: UpdateRequest): Promise<Update>;
  report(id: string): Promise<Report>;
  /** Stores what an observer outside saw. Throws `update-unknown`, `update-running`, `observation-invalid`. */
  observe(id: string, observation: Observation): Promise<Report>;
  /**
   * Does work that changes VMs or the host, which no update may run beside. Throws `update-running`; an update
   * that is asked for meanwhile is refused with `host-busy`.
   */
  changing<Result>(work: () => Promise<Result>): Promise<Result>;
}

export function createUpdateService(dependencies: UpdateServiceDependencies): UpdateService {
  const { journal, engine, planner, reports, inventory, vms } = dependencies;
  let starting = false;
  let changes = 0;
  const requireIdle = () => {
    if (engine.current === null && !starting) return;
    throw new ExuviaError('update-running', `Update ${engine.current ?? '(just beginning)'} is running.`, {
      hint: 'Wait for it, or abort it: `exuvia abort`.',
    });
  };
  const start = async (request: UpdateRequest): Promise<Update> => {
    if (request.fault !== undefined && !dependencies.allowFaultInjection()) throw faultsDisabled();
    const plan = await planner.executable(await planOf(request, planner));
    if (request.fault !== undefined) {
      requireStep(plan, request.fault);
      await keepFault(reports, plan.id, request.fault);
    }
    return await engine.begin(plan, request.fault);
  };
  const report = async (id: string): Promise<Report> => {
    const { view, plan } = engine.ledger.known(id);
    const written = await reports.read(id);
    if (written !== null) return written;
    const planned = plan.vms.map((vm) => vm.name);
    return reportWithoutJump(view, await inventory.host(), planned, await vms.list());
  };

  return {
    report,
    list: () => engine.ledger.list().map((state) => state.view),
    get: (id) => engine.ledger.known(id).view,
    async start(request) {
      if (journal.problem !== null) throw journal.problem;
      requireIdle();
      if (changes > 0) throw hostBusy();
      starting = true;
      try {
        return await start(request);
      } finally {
        starting = false;
      }
    },
    async changing(work) {
      requireIdle();
      changes += 1;
      try {
        return await work();
      } finally {
        changes -= 1;
      }
    },
    async observe(id, observation) {
      const { view, plan } = engine.ledger.known(id);
      if (!isEnded(view.state)) {
        throw new ExuviaError(
          'update-running',
          `Update ${id} is ${view.state}: observe it to its end first.`,
        );
      }
      const stranger = observation.vms.find((vm) => plan.vms.every((planned) => planned.name !== vm.name));
      if (stranger !== undefined) {
        throw new ExuviaError('observation-invalid', `VM ${stranger.name} was not part of update ${id}.`);
      }
      const observed = { ...(await report(id)), observation };
      await reports.write(observed);
      return observed;
    },
  };
}

async function planOf(request: UpdateRequest, planner: Planner): Promise<string> {
  const { plan, fault: _, ...wishes } = request;
  const wished = Object.values(wishes).some((value) => value !== undefined);
  if (plan !== undefined && !wished) return plan;
  if (plan === undefined && wished) return (await planner.plan(wishes)).id;
  throw new ExuviaError(
    'request-invalid',
    'An update needs either a plan, or what is wanted: a kernel, a QEMU, modules or all.',
  );
}

const ONLY_EARLY: ReadonlySet<Fault['action']> = new Set(['panic', 'hang', 'stall']);

function requireStep(plan: Plan, fault: Fault): void {
  const early = plan.handover === 'kexec' ? [EARLY_RESTORE] : [];
  const names = [...plan.steps.map((step) => step.name), ...early, FINISH];
  if (ONLY_EARLY.has(fault.action) && fault.step !== EARLY_RESTORE) {
    throw new ExuviaError('request-invalid', `Only ${EARLY_RESTORE} can ${fault.action}.`);
  }
  // A step may have points of its own: `switch-vms/web`.
  if (names.includes(fault.step.split('/')[0] ?? '')) return;
  throw new ExuviaError(
    'fault-step-unknown',
    `There is no step ${fault.step}. The steps: ${names.join(', ')}.`,
  );
}

function faultsDisabled(): ExuviaError {
  return new ExuviaError('fault-injection-disabled', 'This agent does not inject faults.', {
    hint: 'Set allowFaultInjection in /etc/exuvia/agent.yaml; never on a real host.',
  });
}

function hostBusy(): ExuviaError {
  return new ExuviaError('host-busy', 'A VM or the host is being changed just now.', {
    hint: 'Wait until that is done, then start the update again.',
  });
}
