import { access } from 'node:fs/promises';
import { ExuviaError } from '@exuvia/contract';
import { madeOfFiles } from '@exuvia/sys';
import { argumentValues, qmpSchemaSchema } from '../qmp/introspection.ts';
import { checked } from '../qmp/queries.ts';
import { machinesSchema, propertiesSchema, versionSchema } from '../qmp/replies.ts';
import { queryOnce } from './query-once.ts';

/** What one QEMU binary can do, by its own word (introspection), never by its version number. */
export interface QemuFeatures {
  readonly binary: string;
  /** `10.0.13` */
  readonly version: string;
  /** The distribution's version, `Debian 1:10.0.13+ds-0+deb13u1`; empty for a build of one's own. */
  readonly packageVersion: string;
  /** The machine types that it has, by their full (versioned) names. */
  readonly machines: readonly string[];
  /** `normal`, `cpr-reboot` (since 8.2), `cpr-transfer` (10.0), `cpr-exec` (10.2). */
  readonly migrationModes: readonly string[];
  readonly migrationCapabilities: readonly string[];
  /** Machines have the property aux-ram-share (since 10.0), which cpr-transfer and cpr-exec need. */
  readonly auxRamShare: boolean;
}

const REQUESTS = [
  { execute: 'query-version' },
  { execute: 'query-qmp-schema' },
  { execute: 'query-machines' },
  { execute: 'qom-list-properties', arguments: { typename: 'machine' } },
];

const featuresOf = madeOfFiles<QemuFeatures>();

/**
 * Asks a QEMU binary what it can do, once while its file stays what it is: a package upgrade is noticed.
 *
 * @throws ExuviaError `qemu-missing` when there is no such file, `qemu-unusable` when it does not answer.
 */
export async function probeQemu(binary: string): Promise<QemuFeatures> {
  try {
    await access(binary);
  } catch (cause) {
    throw new ExuviaError('qemu-missing', `There is no QEMU at ${binary}.`, {
      cause,
      hint: 'Install it: apt install qemu-system-x86',
    });
  }
  return featuresOf(binary, [binary], () => probe(binary));
}

/** What those of several QEMU binaries can do that answer; the others are left out. */
export async function probeQemus(binaries: readonly string[]): Promise<QemuFeatures[]> {
  const found = await Promise.all(binaries.map((binary) => probeQemu(binary).catch(() => null)));
  return found.filter((features) => features !== null);
}

async function probe(binary: string): Promise<QemuFeatures> {
  const [version, schemaReply, machines, properties] = await queryOnce(binary, REQUESTS);
  const { qemu, package: packageVersion } = checked('query-version', versionSchema, version);
  const schema = checked('query-qmp-schema', qmpSchemaSchema, schemaReply);
  return {
    binary,
    version: `${qemu.major}.${qemu.minor}.${qemu.micro}`,
    packageVersion,
    machines: checked('query-machines', machinesSchema, machines).map(({ name }) => name),
    migrationModes: argumentValues(schema, 'migrate-set-parameters', ['mode']),
    migrationCapabilities: argumentValues(schema, 'migrate-set-capabilities', ['capabilities', 'capability']),
    auxRamShare: checked('qom-list-properties', propertiesSchema, properties).some(
      ({ name }) => name === 'aux-ram-share',
    ),
  };
}
