import type { QmpClient } from '../qmp/client.ts';
import { argumentValues, qmpSchemaSchema } from '../qmp/introspection.ts';
import { checked } from '../qmp/queries.ts';
import { versionSchema } from '../qmp/replies.ts';

/** What a running QEMU says of itself; its file may have been replaced since it was started. */
export interface QemuDescription {
  /** `10.0.13` */
  readonly version: string;
  /** The distribution's version; empty for a build of one's own. */
  readonly package: string;
  readonly migrationModes: readonly string[];
}

/** The schema of a build never changes, and takes long to read. */
const modes = new Map<string, readonly string[]>();

export async function describeQemu(client: QmpClient): Promise<QemuDescription> {
  const value = await client.execute('query-version');
  const { qemu, package: packageVersion } = checked('query-version', versionSchema, value);
  const version = `${qemu.major}.${qemu.minor}.${qemu.micro}`;
  const key = `${version} ${packageVersion}`;
  let migrationModes = modes.get(key);
  if (migrationModes === undefined) {
    const schema = checked('query-qmp-schema', qmpSchemaSchema, await client.execute('query-qmp-schema'));
    migrationModes = argumentValues(schema, 'migrate-set-parameters', ['mode']);
    modes.set(key, migrationModes);
  }
  return { version, package: packageVersion, migrationModes };
}
