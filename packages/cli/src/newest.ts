import type { Client } from '@exuvia/client';
import { ExuviaError, type Update } from '@exuvia/contract';

/** The newest update of a host. Throws ExuviaError `no-update` when there never was one. */
export async function newestUpdate(client: Client): Promise<Update> {
  const [newest] = await client.updates();
  if (newest !== undefined) return newest;
  throw new ExuviaError('no-update', 'This host has never been updated by Exuvia.', {
    hint: 'Start with `exuvia doctor`.',
  });
}

/** The update that is under way. Throws ExuviaError `no-update` when none is. */
export async function runningUpdate(client: Client): Promise<string> {
  const { update } = await client.host();
  if (update !== null) return update;
  throw new ExuviaError('no-update', 'No update is running.', { hint: 'See `exuvia history`.' });
}
