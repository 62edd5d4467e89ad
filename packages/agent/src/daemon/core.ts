import type { AgentConfig, Doctor } from '@exuvia/contract';
import { createEngine, createReportStore, type Engine, type ReportStore } from '../engine/index.ts';
import { createHeartbeatReader } from '../heartbeat/index.ts';
import type { Log, Services } from '../http/services.ts';
import type { Journal } from '../journal/index.ts';
import { createMetrics } from '../metrics/index.ts';
import { createPlanner, createPlanStore, outlook, vmProcessors } from '../planner/index.ts';
import { createUpdateService } from '../updates/index.ts';
import { heartbeatOf, recentReports, runningQemus } from './lookups.ts';
import type { Parts } from './parts.ts';

export interface CoreOptions {
  readonly parts: Parts;
  readonly journal: Journal;
  readonly updatesDirectory: string;
  readonly log: Log;
  readonly now: () => Date;
  /** Resolves when what an earlier agent left behind has been dealt with. */
  readonly started: Promise<void>;
  config(): AgentConfig;
  /** The doctor's findings, those of the agent about itself included. */
  examine(): Promise<Doctor>;
}

export interface Core {
  readonly engine: Engine;
  readonly reports: ReportStore;
  readonly services: Services;
}

/** Prometheus gives up after 10 s, unless it is told otherwise. */
const SCRAPE_LIMIT_MS = 3000;

/** Puts together what an agent is made of, on top of a machine's parts and a journal. Nothing is started. */
export function createCore(options: CoreOptions): Core {
  const { parts, journal, log, now, examine } = options;
  const { vms, handovers } = parts;
  const say = (message: string) => log.info({}, message);
  const listVms = () => vms.list();
  const reports = createReportStore(options.updatesDirectory);
  const host = () => inventory.host();
  const engine: Engine = createEngine({
    ...{ journal, reports, now, handovers, vms, host },
    bootId: parts.bootId,
    kill: parts.kill,
    log: say,
  });
  const inventory = parts.inventory(() => engine.current);
  const pastReports = () => recentReports(engine.ledger, reports, say);
  const planner = createPlanner({
    ...{ now, pastReports, handovers, host },
    plans: createPlanStore(options.updatesDirectory),
    vms: listVms,
    doctor: examine,
    // A journal that cannot be read may know of any of them.
    executed: (plan) => journal.problem !== null || engine.ledger.get(plan) !== undefined,
    aptLine: parts.aptLine,
    software: parts.software,
    runningQemus: () => runningQemus(vms),
    processors: () => vmProcessors(options.config().vmCpus),
  });
  const updates = createUpdateService({
    ...{ journal, engine, planner, reports, inventory, vms },
    allowFaultInjection: () => options.config().allowFaultInjection,
  });
  const metrics = createMetrics({
    updates: updates.list,
    reports: pastReports,
    vms: () => vms.list({ answerWithinMs: SCRAPE_LIMIT_MS }),
    store: () => parts.store.status(),
    kernel: () => parts.kernel,
    currentUpdate: () => engine.current,
  });
  const services: Services = {
    ...{ inventory, planner, engine, updates, metrics, log, vms },
    started: options.started,
    doctor: async () =>
      outlook(await examine(), handovers.values(), { host: await host(), vms: await vms.list() }),
    setup: (bytes) => parts.setup(bytes),
    undoSetup: () => parts.undoSetup(),
    heartbeat: heartbeatOf(vms, createHeartbeatReader()),
  };
  return { engine, reports, services };
}
