import { type AgentConfig, VERSION } from '@exuvia/contract';
import { createApp } from '../http/app.ts';
import { listenOnSocket, requireNoAgent } from '../http/listen.ts';
import type { Log } from '../http/services.ts';
import { openJournal } from '../journal/index.ts';
import { journalCheck, remoteCheck, withChecks } from './checks.ts';
import { createCore } from './core.ts';
import { watchLogs } from './log-watch.ts';
import type { Parts } from './parts.ts';
import { createRemoteAccess, type RemoteAccess } from './remote.ts';
import { startUp } from './start-up.ts';

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
 * @throws ExuviaError `agent-running`; what keeps the journal or the socket from being opened.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { paths, parts, log, now = () => new Date() } = options;
  let { config } = options;
  await requireNoAgent(paths.socket);
  const journal = await openJournal(paths.journal, (message) => log.warn({}, message));
  const started = Promise.withResolvers<void>();
  let remote: RemoteAccess | null = null;
  const { engine, reports, services } = createCore({
    ...{ parts, journal, log, now },
    started: started.promise,
    updatesDirectory: paths.updates,
    config: () => config,
    examine: async () =>
      withChecks(await parts.doctor(), [
        journalCheck(journal),
        remoteCheck(config, remote?.problem ?? null),
        ...(await parts.crash.checks()),
      ]),
  });
  const app = createApp(services);
  const fetch = (request: Request) => app.fetch(request);
  remote = createRemoteAccess(fetch, log);
  const local = await listenOnSocket(fetch, paths.socket);
  await remote.reopen(config.remote);
  log.info({ socket: local.address, version: VERSION, kernel: parts.kernel }, 'The agent serves.');
  const allowFaultInjection = () => config.allowFaultInjection;
  // Requests that change something wait for this.
  started.resolve(
    startUp({ parts, journal, engine, reports, runtime: paths.runtime, log, allowFaultInjection }),
  );
  const endLogWatch = watchLogs({ cutLogs: () => parts.cutLogs(), isBusy: () => engine.current !== null });

  return {
    socket: local.address,
    ready: started.promise,
    get remote() {
      return remote?.address ?? null;
    },
    async reload(next) {
      config = next;
      await remote?.reopen(next.remote);
      await parts.crash.arm();
    },
    async stop() {
      endLogWatch();
      // The listeners stay open meanwhile: somebody may follow the abort.
      await engine.stop();
      await Promise.all([local.close(), remote?.close()]);
      await parts.close();
      await journal.close();
    },
  };
}
