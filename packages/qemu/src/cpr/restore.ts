import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import type { QmpClient } from '../qmp/client.ts';
import { queryMigration, queryStatus } from '../qmp/queries.ts';

export interface RestoreOptions {
  /** Where the guest's RAM is: in the VM's RAM file already, or in the state file. */
  readonly ram: 'in-place' | 'in-file';
  /** Default: 10 minutes. */
  readonly timeoutMs?: number;
}

const POLL_MS = 20;

/**
 * Loads a saved state into a QEMU that was started with `-incoming defer -S`, so that the guest does not
 * run yet when this returns: whoever restores can first make sure that the state, which is stale from the
 * first instruction on, is never used again. Then `cont`.
 *
 * @throws ExuviaError `vm-restore-failed` with QEMU's reason. QEMU ends itself then.
 */
export async function loadFromFile(client: QmpClient, file: string, options: RestoreOptions): Promise<void> {
  await client.execute('migrate-set-capabilities', {
    capabilities: [{ capability: 'x-ignore-shared', state: options.ram === 'in-place' }],
  });
  await client.execute('migrate-set-parameters', { mode: 'cpr-reboot' });
  try {
    await client.execute('migrate-incoming', { uri: `file:${file}`, 'exit-on-error': false });
    await loaded(client, options.timeoutMs ?? 600_000);
  } catch (cause) {
    if (cause instanceof ExuviaError && cause.code === 'vm-restore-failed') throw cause;
    throw new ExuviaError('vm-restore-failed', `QEMU could not load ${file}.`, { cause });
  }
  await client.execute('migrate-set-parameters', { mode: 'normal', 'max-bandwidth': 0 });
  await client.execute('migrate-set-capabilities', {
    capabilities: [{ capability: 'x-ignore-shared', state: false }],
  });
}

async function loaded(client: QmpClient, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { status } = await queryStatus(client);
    if (status !== 'inmigrate') return;
    const migration = await queryMigration(client);
    if (migration.status === 'failed') {
      throw new ExuviaError(
        'vm-restore-failed',
        `QEMU could not load the saved state: ${migration['error-desc'] ?? 'no reason given'}`,
      );
    }
    if (Date.now() > deadline) {
      throw new ExuviaError('vm-restore-failed', `QEMU did not load the saved state within ${timeoutMs} ms.`);
    }
    await sleep(POLL_MS);
  }
}
