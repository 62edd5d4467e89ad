import type { z } from 'zod';
import { QmpProtocolError } from '../errors.ts';
import type { QmpCommands } from '../generated/qapi.ts';
import type { QmpClient } from './client.ts';
import type { MigrationInfo, VmStatus } from './replies.ts';
import { migrationParametersSchema, migrationSchema, statusSchema, versionSchema } from './replies.ts';

/** Whether the guest runs, and QEMU's own word for its state. */
export async function queryStatus(client: QmpClient, options?: { timeoutMs?: number }): Promise<VmStatus> {
  return checked('query-status', statusSchema, await client.execute('query-status', undefined, options));
}

export async function queryMigration(client: QmpClient): Promise<MigrationInfo> {
  return checked('query-migrate', migrationSchema, await client.execute('query-migrate'));
}

/** The migration mode that is set (`normal` unless somebody changed it). */
export async function queryMigrationMode(client: QmpClient): Promise<string> {
  const value = await client.execute('query-migrate-parameters');
  return checked('query-migrate-parameters', migrationParametersSchema, value).mode ?? 'normal';
}

/** `10.0.13` */
export async function queryVersion(client: QmpClient): Promise<string> {
  const { qemu } = checked('query-version', versionSchema, await client.execute('query-version'));
  return `${qemu.major}.${qemu.minor}.${qemu.micro}`;
}

/** @throws QmpProtocolError when a reply has not the shape that QEMU documents. */
export function checked<T>(command: keyof QmpCommands, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new QmpProtocolError(`QEMU's answer to ${command} has not the expected shape.`, {
    cause: result.error,
  });
}
