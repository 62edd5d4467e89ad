import type { QmpClient } from '../qmp/client.ts';
import { queryMigration, queryMigrationMode } from '../qmp/queries.ts';

/**
 * Asks a running VM what would keep it from being saved with cpr-reboot: QEMU's own sentences, `[]` when
 * nothing does. Blockers depend on the mode, so it is set for the question and set back afterwards.
 */
export async function cprRebootBlockers(client: QmpClient): Promise<string[]> {
  const before = await queryMigrationMode(client);
  await client.execute('migrate-set-parameters', { mode: 'cpr-reboot' });
  try {
    return (await queryMigration(client))['blocked-reasons'] ?? [];
  } finally {
    await client.execute('migrate-set-parameters', { mode: before === 'cpr-reboot' ? before : 'normal' });
  }
}
