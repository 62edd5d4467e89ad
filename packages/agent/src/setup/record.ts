import { ExuviaError, HOST_PATHS } from '@exuvia/contract';
import { type MemoryRange, readIfExists, writeFileDurably } from '@exuvia/sys';
import { z } from 'zod';

/** What `exuvia setup` decided and did; the store opens what it says, `--undo` takes back what it lists. */
const setupRecordSchema = z.strictObject({
  version: z.literal(1),
  region: z.strictObject({ start: z.int(), size: z.int().positive() }),
  source: z.enum(['memmap', 'type-7', 'nvdimm']),
  /** `reboot-needed`: the running kernel does not have the region yet. `undone`: it still has it. */
  state: z.enum(['reboot-needed', 'ready', 'undone']),
  /** Persistent memory that was there before: no boot argument of setup's makes it, and it stays when setup is undone. */
  found: z.boolean().optional(),
  /** Every file that was changed, with what it held; `null`: it did not exist. */
  before: z.array(
    z.strictObject({
      path: z.string(),
      content: z.string().nullable(),
      /** What setup made of it. */
      written: z.string().optional(),
      /** The arguments that setup put on the kernel's command line. */
      added: z.array(z.string()).readonly().optional(),
    }),
  ),
});
export type SetupRecord = z.infer<typeof setupRecordSchema>;

/** Whether the store's memory was there before; records without `found` changed files only to make it. */
export function isFound(record: SetupRecord): boolean {
  return record.found ?? (record.state !== 'undone' && record.before.length === 0);
}

/**
 * Reads the record; `null` when nothing has been set up.
 *
 * @throws ExuviaError `setup-record-invalid`.
 */
export async function readSetupRecord(file: string = HOST_PATHS.setup): Promise<SetupRecord | null> {
  const text = await readIfExists(file);
  if (text === null) return null;
  try {
    return setupRecordSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ExuviaError('setup-record-invalid', `${file} is damaged.`, {
      cause,
      hint: `Remove ${file}, then run \`exuvia setup --memory SIZE\` again.`,
    });
  }
}

export async function writeSetupRecord(record: SetupRecord, file: string = HOST_PATHS.setup): Promise<void> {
  await writeFileDurably(file, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
}

export function rangeOf({ region }: SetupRecord): MemoryRange {
  return { start: region.start, end: region.start + region.size };
}
