import { type AgentConfig, ExuviaError } from '@exuvia/contract';
import { sentenceOf } from '../engine/index.ts';
import { type Fetch, listenOnTls, type TlsListener } from '../http/listen.ts';
import type { Log } from '../http/services.ts';

/** The agent's listener for other machines, as the configuration says. */
export interface RemoteAccess {
  /** ADDRESS:PORT; `null` while it is closed. */
  readonly address: string | null;
  /** Why it is closed although it is configured. */
  readonly problem: ExuviaError | null;
  /**
   * Opens what is configured; an address that stays the same only gets the certificates as they are now. Never throws:
   * see `problem`.
   */
  reopen(config: AgentConfig['remote']): Promise<void>;
  close(): Promise<void>;
}

/** A host whose VMs wait for its agent must not be kept waiting by a certificate: failures are kept and logged. */
export function createRemoteAccess(fetch: Fetch, log: Log): RemoteAccess {
  let listener: TlsListener | null = null;
  let open = '';
  let problem: ExuviaError | null = null;
  const close = async () => {
    await listener?.close();
    listener = null;
  };
  return {
    get address() {
      return listener?.address ?? null;
    },
    get problem() {
      return problem;
    },
    close,
    async reopen(config) {
      if (config?.listen !== open) await close();
      problem = null;
      if (config === undefined) return;
      open = config.listen;
      try {
        if (listener !== null) return await listener.renew(config);
        listener = await listenOnTls(fetch, config);
        log.info({ address: listener.address }, 'Serving over TLS.');
      } catch (error) {
        problem = error instanceof ExuviaError ? error : new ExuviaError('internal', sentenceOf(error));
        log.error({ err: error }, problem.message);
      }
    },
  };
}
