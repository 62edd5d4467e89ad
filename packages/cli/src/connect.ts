import { type Client, createClient } from '@exuvia/client';
import { ExuviaError, HOST_PATHS } from '@exuvia/contract';
import { readGivenFile } from './given-file.ts';
import { waitWhileAgentStarts } from './starting-agent.ts';

/** The options that every command has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly host?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly socket?: string;
}

/** True when the agent is asked over TLS, so that a connection can come back after a jump. */
export function isRemote(options: GlobalOptions): boolean {
  return options.host !== undefined;
}

/**
 * Connects to the agent that the options name, does the work, and disconnects.
 *
 * @throws ExuviaError `usage` when a certificate option is missing, `file-unreadable`.
 */
export async function withClient<Result>(
  options: GlobalOptions,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = await connect(options);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function connect({ host, ca, cert, key, socket }: GlobalOptions): Promise<Client> {
  if (host === undefined) {
    if (socket === undefined) await waitWhileAgentStarts(HOST_PATHS.socket);
    return createClient({ socketPath: socket ?? HOST_PATHS.socket });
  }
  if (ca === undefined || cert === undefined || key === undefined) {
    throw new ExuviaError('usage', '--host needs --ca, --cert and --key.', {
      hint: '`exuvia cert init DIR` makes them.',
    });
  }
  if (!/^https:\/\/[^/]+\/?$/.test(host)) {
    throw new ExuviaError('usage', `--host ${host} is not of the form https://HOST:PORT.`);
  }
  const [caPem, certPem, keyPem] = await Promise.all([
    readGivenFile(ca),
    readGivenFile(cert),
    readGivenFile(key),
  ]);
  return createClient({ url: host, ca: caPem, cert: certPem, key: keyPem });
}
