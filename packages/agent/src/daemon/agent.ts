import {
  type AgentConfig,
  type Doctor,
  ExuviaError,
  type HandoverKind,
  type SetupResult,
  VERSION,
} from '@exuvia/contract';
import { createEngine, createReportStore, type Engine, sentenceOf } from '../engine/index.ts';
import { createHeartbeatReader } from '../heartbeat/index.ts';
import { createApp } from '../http/app.ts';
import { type Listener, listenOnSocket, listenOnTls, requireNoAgent } from '../http/listen.ts';
import type { Log, Services } from '../http/services.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { type Journal, openJournal } from '../journal/index.ts';
import type { Handover, Store, VmManager } from '../kinds.ts';
import { createMetrics } from '../metrics/index.ts';
import { createPlanner, createPlanStore } from '../planner/index.ts';
import { createUpdateService } from '../updates/index.ts';
import { journalCheck, remoteCheck, withChecks } from './checks.ts';
import { heartbeatOf, recentReports } from './lookups.ts';
import { startUp } from './start-up.ts';

/** What this machine gives an agent. Only these differ in tests. */
export interface Parts {
  readonly store: Store;
  readonly vms: VmManager;
  readonly handovers: ReadonlyMap<HandoverKind, Handover>;
  readonly bootId: string;
  readonly kernel: string;
  inventory(currentUpdate: () => string | null): Inventory;
  doctor(): Promise<Doctor>;
  setup(memoryBytes: number): Promise<SetupResult>;
  undoSetup(): Promise<SetupResult>;
  aptLine(kernel: string, running: string): Promise<string | null>;
  /** Ends this process as SIGKILL does (fault injection). */
  kill(): void;
  /** Lets go of what the parts hold; VMs run on. */
  close(): Promise<void>;
}

export interface AgentPaths {
  readonly journal: string;
  readonly updates: string;
  readonly socket: string;
  readonly runtime: string;
}

export interface AgentOptions {
  readonly paths: AgentPaths;
  readonly config: AgentConfig;
  readonly parts: Parts;
  readonly log: Log;
  readonly now?: () => Date;
}

export interface Agent {
  readonly socket: string;
  /** ADDRESS:PORT; `null` without remote access. */
  readonly remote: string | null;
  /** Resolves when what an earlier agent or an update left behind has been dealt with. Never rejects. */
  readonly ready: Promise<void>;
  /** Takes a new configuration; the remote listener is opened anew, with the certificates as they are now. */
  reload(config: AgentConfig): Promise<void>;
  /** Ends cleanly: see Engine.stop; VMs are not touched. */
  stop(): Promise<void>;
}

/**
 * Starts an agent: reads the journal, serves the API, then finishes or undoes what was left.
 *
 * @throws ExuviaError `agent-running`.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { paths, parts, log, now = () => new Date() } = options;
  let { config } = options;
  await requireNoAgent(paths.socket);
  const journal = await openJournal(paths.journal, (message) => log.warn({}, message));
  const say = (message: string) => log.info({}, message);
  const reports = createReportStore(paths.updates);
  const engine: Engine = createEngine({
    journal,
    reports,
    now,
    bootId: parts.bootId,
    handovers: parts.handovers,
    vms: parts.vms,
    host: () => inventory.host(),
    log: say,
    kill: parts.kill,
  });
  const inventory = parts.inventory(() => engine.current);
  const allowFaultInjection = () => config.allowFaultInjection;
  let remoteProblem: ExuviaError | null = null;
  const examine = async () =>
    withChecks(await parts.doctor(), [journalCheck(journal), remoteCheck(config, remoteProblem)]);
  const pastReports = () => recentReports(engine.ledger, reports, say);
  const planner = createPlanner({
    now,
    pastReports,
    handovers: parts.handovers,
    plans: createPlanStore(paths.updates),
    host: () => inventory.host(),
    vms: () => parts.vms.list(),
    doctor: examine,
    executed: (plan) => engine.ledger.get(plan) !== undefined,
    aptLine: parts.aptLine,
  });
  const updates = createUpdateService({
    journal,
    engine,
    planner,
    reports,
    inventory,
    allowFaultInjection,
    vms: parts.vms,
  });
  const services: Services = {
    inventory,
    planner,
    engine,
    updates,
    log,
    vms: parts.vms,
    metrics: createMetrics({
      updates: updates.list,
      reports: pastReports,
      vms: () => parts.vms.list(),
      kernel: () => parts.kernel,
      currentUpdate: () => engine.current,
    }),
    doctor: examine,
    setup: (bytes) => parts.setup(bytes),
    undoSetup: () => parts.undoSetup(),
    heartbeat: heartbeatOf(parts.vms, createHeartbeatReader()),
  };
  const app = createApp(services);
  const fetch = (request: Request) => app.fetch(request);
  const local = await listenOnSocket(fetch, paths.socket);
  let remote: Listener | null = null;
  const openRemote = async () => {
    remoteProblem = null;
    if (config.remote === undefined) return;
    try {
      remote = await listenOnTls(fetch, config.remote);
      log.info({ address: remote.address }, 'Serving over TLS.');
    } catch (error) {
      // A host whose VMs wait for its agent must not be kept waiting by a certificate.
      remoteProblem = error instanceof ExuviaError ? error : new ExuviaError('internal', sentenceOf(error));
      log.error({ err: error }, remoteProblem.message);
    }
  };
  await openRemote();
  log.info({ socket: local.address, version: VERSION, kernel: parts.kernel }, 'The agent serves.');
  const ready = updates.changing(() =>
    startUp({ parts, journal, engine, reports, runtime: paths.runtime, log, allowFaultInjection }),
  );
  return {
    socket: local.address,
    ready,
    get remote() {
      return remote?.address ?? null;
    },
    async reload(next) {
      config = next;
      await remote?.close();
      remote = null;
      await openRemote();
    },
    stop: () => stopAgent(engine, journal, parts, () => [local, remote]),
  };
}

async function stopAgent(
  engine: Engine,
  journal: Journal,
  parts: Pick<Parts, 'close'>,
  listeners: () => readonly (Listener | null)[],
): Promise<void> {
  // The listeners stay open meanwhile: somebody may follow the abort.
  await engine.stop();
  await Promise.all(listeners().map((listener) => listener?.close()));
  await parts.close();
  await journal.close();
}
