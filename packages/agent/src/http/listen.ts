import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import type { Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { type AgentConfig, ExuviaError } from '@exuvia/contract';
import { isErrno } from '@exuvia/sys';
import { createAdaptorServer } from '@hono/node-server';

export type Fetch = (request: Request) => Response | Promise<Response>;

/** A server that takes requests. */
export interface Listener {
  /** Socket path, or ADDRESS:PORT as it really is (port 0 asks for any). */
  readonly address: string;
  /** Takes no more requests, answers those that are under way for a moment, ends the connections that are open. */
  close(): Promise<void>;
}

/**
 * Serves on a unix socket that only root may open. A socket file that a dead agent left behind is replaced.
 *
 * @throws ExuviaError `agent-running`.
 */
export async function listenOnSocket(fetch: Fetch, path: string): Promise<Listener> {
  await requireNoAgent(path);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await rm(path, { force: true });
  const server = createAdaptorServer({ fetch }) as HttpServer;
  const close = closerOf(server);
  await listen(server, { path });
  await chmod(path, 0o660);
  return { address: path, close };
}

/** Throws ExuviaError `agent-running` when an agent answers on that socket already. */
export async function requireNoAgent(path: string): Promise<void> {
  if (!(await isAnswering(path))) return;
  throw new ExuviaError('agent-running', `Another agent is running: it answers on ${path}.`, {
    hint: 'See `systemctl status exuvia-agent`.',
  });
}

type Remote = NonNullable<AgentConfig['remote']>;

/** A server whose certificates can become others while it serves. */
export interface TlsListener extends Listener {
  /**
   * Takes the certificates as they are now. Connections stay open, unless it is another authority that signs the
   * clients' ones.
   *
   * @throws ExuviaError `remote-invalid` when they cannot be used: it then serves with those that it has.
   */
  renew(remote: Remote): Promise<void>;
}

/**
 * Serves over TLS to clients that show a certificate which the configured authority has signed; all others
 * are turned away in the handshake.
 *
 * @throws ExuviaError `remote-invalid` when certificates cannot be read or the address is taken.
 */
export async function listenOnTls(fetch: Fetch, remote: Remote): Promise<TlsListener> {
  try {
    let secrets = await readSecrets(remote);
    const server = createAdaptorServer({
      fetch,
      createServer: createHttpsServer,
      serverOptions: { ...secrets, ...HANDSHAKE },
    }) as HttpsServer;
    const close = closerOf(server);
    const at = remote.listen.lastIndexOf(':');
    const host = remote.listen.slice(0, at).replace(/^\[(.*)\]$/, '$1');
    await listen(server, { host, port: Number(remote.listen.slice(at + 1)) });
    const { address, port } = server.address() as AddressInfo;
    return {
      address: `${address}:${port}`,
      close,
      async renew(next) {
        const before = secrets.ca;
        try {
          const read = await readSecrets(next);
          server.setSecureContext(read);
          secrets = read;
        } catch (cause) {
          throw remoteInvalid(next, 'keeps the certificates that it had', cause);
        }
        if (!before.equals(secrets.ca)) server.closeAllConnections();
      },
    };
  } catch (cause) {
    throw remoteInvalid(remote, 'could not be opened', cause);
  }
}

/** Who shows no certificate, or nothing at all, is turned away. */
const HANDSHAKE = { requestCert: true, rejectUnauthorized: true, handshakeTimeout: 10_000 } as const;

async function readSecrets(remote: Remote) {
  const [ca, cert, key] = await Promise.all([
    readFile(remote.ca),
    readFile(remote.cert),
    readFile(remote.key),
  ]);
  return { ca, cert, key, minVersion: 'TLSv1.3' } as const;
}

function remoteInvalid({ listen }: Remote, outcome: string, cause: unknown): ExuviaError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new ExuviaError('remote-invalid', `Remote access on ${listen} ${outcome}: ${message}`, {
    cause,
    hint: 'Mend `remote` in /etc/exuvia/agent.yaml; `exuvia cert init DIR` makes certificates.',
  });
}

async function listen(
  server: Server,
  options: { path: string } | { host: string; port: number },
): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(options, () => listening.resolve());
  await listening.promise;
  server.removeListener('error', listening.reject);
}

async function isAnswering(path: string): Promise<boolean> {
  const connected = Promise.withResolvers<boolean>();
  const socket = connect({ path });
  socket.once('connect', () => connected.resolve(true));
  socket.once('error', (error) => {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED', 'ENOTSOCK')) connected.resolve(false);
    else connected.reject(error);
  });
  return await connected.promise.finally(() => socket.destroy());
}

/** What is still being answered, such as an update's last event, has this long when the server ends. */
const DRAIN_MS = 1000;

/** The way to end a server: requests under way are answered, then every connection ends, even one without a handshake. */
function closerOf(server: HttpServer | HttpsServer): () => Promise<void> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return async () => {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    const idle = setInterval(() => server.closeIdleConnections(), DRAIN_MS / 20);
    const drained = setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, DRAIN_MS);
    await closed.promise;
    clearInterval(idle);
    clearTimeout(drained);
  };
}
