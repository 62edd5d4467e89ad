import { open, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import type { QmpClient } from '../qmp/client.ts';
import { queryMigration, queryStatus } from '../qmp/queries.ts';

export interface SaveOptions {
  /** Where the guest's RAM goes. Default: `in-file`. */
  readonly ram?: 'in-place' | 'in-file';
  /** For the whole of it. Default: 10 minutes; RAM is written to a disk. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** QEMU limits the rate of some events, so the state is asked for. */
const POLL_MS = 20;

/**
 * Saves a VM, RAM included (unless told otherwise), to a file on a disk; for a reboot that keeps nothing in memory. When it returns
 * the file is on the disk and the VM is stopped: end QEMU, or `cont` to go on. The VM will resume by itself
 * when it is restored.
 *
 * On failure the VM runs again if it ran before, and the file is removed.
 *
 * @throws ExuviaError `vm-save-failed` with QEMU's reason; `update-aborted` when `signal` fired.
 */
export async function saveToFile(client: QmpClient, file: string, options: SaveOptions = {}): Promise<void> {
  const wasRunning = (await queryStatus(client)).running;
  await setIgnoreShared(client, options.ram === 'in-place');
  await client.execute('migrate-set-parameters', { mode: 'cpr-reboot', 'max-bandwidth': 0 });
  try {
    await client.execute('migrate', { uri: `file:${file}` });
    await migrationCompleted(client, options);
    await syncFile(file);
  } catch (error) {
    await undoSave(client, wasRunning);
    await rm(file, { force: true });
    throw error;
  }
}

/** Puts a VM that was saved, or half saved, back to where it was: running, migration mode `normal`. */
export async function undoSave(client: QmpClient, wasRunning: boolean): Promise<void> {
  await client.execute('migrate_cancel');
  while (await isMigrating(client)) await sleep(POLL_MS);
  if (wasRunning) await client.execute('cont');
  await client.execute('migrate-set-parameters', { mode: 'normal' });
  await setIgnoreShared(client, false);
}

/**
 * QEMU says `completed` (seen on 11.1) some time before it leaves the state `finish-migrate`, in which it
 * refuses `cont`: "Migration is not finalized yet".
 */
async function isMigrating(client: QmpClient): Promise<boolean> {
  const { status } = await queryMigration(client);
  if (status !== undefined && !FINISHED.has(status)) return true;
  return (await queryStatus(client)).status === 'finish-migrate';
}

const FINISHED: ReadonlySet<string> = new Set(['none', 'completed', 'failed', 'cancelled']);

async function migrationCompleted(client: QmpClient, options: SaveOptions): Promise<void> {
  const deadline = Date.now() + (options.timeoutMs ?? 600_000);
  for (;;) {
    const info = await queryMigration(client);
    if (info.status === 'completed' && !(await isMigrating(client))) return;
    if (info.status === 'failed' || info.status === 'cancelled') {
      throw new ExuviaError(
        'vm-save-failed',
        `QEMU could not save the VM: ${info['error-desc'] ?? info.status}`,
      );
    }
    if (options.signal?.aborted) throw new ExuviaError('update-aborted', 'Saving the VM was aborted.');
    if (Date.now() > deadline) {
      throw new ExuviaError('vm-save-failed', 'QEMU did not save the VM in time.', {
        hint: 'Is the disk slow, or full?',
      });
    }
    await sleep(POLL_MS);
  }
}

async function setIgnoreShared(client: QmpClient, state: boolean): Promise<void> {
  await client.execute('migrate-set-capabilities', {
    capabilities: [{ capability: 'x-ignore-shared', state }],
  });
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
