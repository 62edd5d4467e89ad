import { z } from 'zod';

/**
 * What query-qmp-schema returns (qapi/introspect.json): commands and events by name, types under numbers,
 * since their names are no part of QEMU's interface.
 */
const memberSchema = z.object({
  name: z.string(),
  type: z.string(),
  /** Present (always null) when the member is optional. */
  default: z.null().optional(),
});

const schemaEntrySchema = z.discriminatedUnion('meta-type', [
  z.object({ 'meta-type': z.literal('builtin'), name: z.string(), 'json-type': z.string() }),
  z.object({
    'meta-type': z.literal('enum'),
    name: z.string(),
    members: z.array(z.object({ name: z.string() })),
  }),
  z.object({ 'meta-type': z.literal('array'), name: z.string(), 'element-type': z.string() }),
  z.object({
    'meta-type': z.literal('object'),
    name: z.string(),
    members: z.array(memberSchema),
    tag: z.string().optional(),
    variants: z.array(z.object({ case: z.string(), type: z.string() })).optional(),
  }),
  z.object({
    'meta-type': z.literal('alternate'),
    name: z.string(),
    members: z.array(z.object({ type: z.string() })),
  }),
  z.object({
    'meta-type': z.literal('command'),
    name: z.string(),
    'arg-type': z.string(),
    'ret-type': z.string(),
  }),
  z.object({ 'meta-type': z.literal('event'), name: z.string(), 'arg-type': z.string() }),
]);

export const qmpSchemaSchema = z.array(schemaEntrySchema);
export type SchemaEntry = z.infer<typeof schemaEntrySchema>;

/** The values of the enum that a command's argument has, `[]` when this QEMU knows no such argument. */
export function argumentValues(schema: readonly SchemaEntry[], command: string, path: readonly string[]) {
  const byName = new Map(schema.map((entry) => [entry.name, entry]));
  const root = byName.get(command);
  let entry = root?.['meta-type'] === 'command' ? byName.get(root['arg-type']) : undefined;
  for (const name of path) {
    entry = throughArrays(entry, byName);
    if (entry?.['meta-type'] !== 'object') return [];
    const type = entry.members.find((member) => member.name === name)?.type;
    entry = type === undefined ? undefined : byName.get(type);
  }
  entry = throughArrays(entry, byName);
  return entry?.['meta-type'] === 'enum' ? entry.members.map((member) => member.name) : [];
}

function throughArrays(entry: SchemaEntry | undefined, byName: ReadonlyMap<string, SchemaEntry>) {
  let inner = entry;
  while (inner?.['meta-type'] === 'array') inner = byName.get(inner['element-type']);
  return inner;
}
