/**
 * Writes src/generated/qapi.ts: the types of the QMP commands that Exuvia sends and of every event, as a
 * real QEMU describes them itself.
 *
 *   node packages/qemu/scripts/generate-types.ts QEMU-BINARY
 */
import { writeFile } from 'node:fs/promises';
import { queryOnce } from '../src/probe/query-once.ts';
import { qmpSchemaSchema } from '../src/qmp/introspection.ts';
import { versionSchema } from '../src/qmp/replies.ts';
import { generateTypes } from './generate/types.ts';

/** What Exuvia sends. query-qmp-schema describes itself, so it is not special. */
const COMMANDS = [
  'announce-self',
  'cont',
  'human-monitor-command',
  'migrate',
  'migrate-incoming',
  'migrate-set-capabilities',
  'migrate-set-parameters',
  'migrate_cancel',
  'qmp_capabilities',
  'qom-get',
  'qom-list-properties',
  'query-block',
  'query-chardev',
  'query-kvm',
  'query-machines',
  'query-memdev',
  'query-migrate',
  'query-migrate-capabilities',
  'query-migrate-parameters',
  'query-name',
  'query-named-block-nodes',
  'query-qmp-schema',
  'query-status',
  'query-uuid',
  'query-version',
  'quit',
  'stop',
  'system_powerdown',
  'system_reset',
];

const binary = process.argv[2];
if (binary === undefined) {
  console.error('usage: generate-types.ts QEMU-BINARY');
  process.exit(2);
}
const [version, schema] = await queryOnce(binary, [
  { execute: 'query-version' },
  { execute: 'query-qmp-schema' },
]);
const { major, minor } = versionSchema.parse(version).qemu;
const text = generateTypes(qmpSchemaSchema.parse(schema), COMMANDS, `${major}.${minor}`);
await writeFile(new URL('../src/generated/qapi.ts', import.meta.url), text);
