import type { Client } from '@exuvia/client';
import { ExuviaError, type Update } from '@exuvia/contract';
import { isRemote } from './connect.ts';
import type { Invocation } from './program.ts';
import { createProgress } from './progress.ts';

/** A rebooting host may need minutes for firmware and userland. */
const RECONNECT_FOR_MS = 30 * 60_000;

/**
 * Follows an update to its end.
 *
 * @param goesOn what Ctrl-C leaves behind.
 * @throws ExuviaError `interrupted`.
 */
export async function lastState(
  client: Client,
  id: string,
  { options, io }: Invocation,
  goesOn: string,
): Promise<Update> {
  const progress = options.json === true ? () => {} : createProgress(io);
  let last: Update | null = null;
  const follow = client.follow(id, {
    signal: io.signal,
    reconnectForMs: isRemote(options) ? RECONNECT_FOR_MS : 0,
    onLost: () => {
      if (options.json !== true)
        io.err('The connection is gone: the host has jumped. Waiting for its new side.\n');
    },
  });
  try {
    for await (const event of follow) {
      progress(event);
      last = event.update;
    }
  } catch (cause) {
    if (!io.signal.aborted) throw cause;
    throw new ExuviaError('interrupted', goesOn, { cause });
  }
  return last ?? (await client.update(id));
}
