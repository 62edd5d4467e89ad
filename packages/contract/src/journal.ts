import { z } from 'zod';
import { planSchema } from './plan.ts';

const base = { v: z.literal(1), at: z.iso.datetime(), bootId: z.string(), update: z.string() };

/**
 * One line of the append-only journal. Every record is fsync'ed before what it announces is done, so that
 * an agent that starts after any crash knows how far the update had come.
 */
export const journalRecordSchema = z.discriminatedUnion('kind', [
  z.object({ ...base, kind: z.literal('begin'), plan: planSchema }),
  z.object({ ...base, kind: z.literal('step-started'), step: z.string(), data: z.json().optional() }),
  z.object({ ...base, kind: z.literal('step-done'), step: z.string() }),
  z.object({ ...base, kind: z.literal('step-failed'), step: z.string(), error: z.string() }),
  z.object({ ...base, kind: z.literal('abort-requested') }),
  z.object({ ...base, kind: z.literal('undo-started'), step: z.string() }),
  z.object({ ...base, kind: z.literal('undo-done'), step: z.string() }),
  /** The point of no return: every VM is saved. Written by the native pause program. */
  z.object({ ...base, kind: z.literal('commit') }),
  z.object({
    ...base,
    kind: z.literal('closed'),
    outcome: z.enum(['completed', 'aborted', 'failed']),
    reason: z.string().optional(),
  }),
]);
export type JournalRecord = z.infer<typeof journalRecordSchema>;
export type JournalRecordKind = JournalRecord['kind'];
