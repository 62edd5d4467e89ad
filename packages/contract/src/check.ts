import { z } from 'zod';

/** One finding of the doctor or of a plan: a verdict, why, and what to do about it. */
export const checkSchema = z.object({
  id: z.string().describe('Stable name, for example kexec-allowed'),
  subject: z.string().describe('`host`, or the name of a VM'),
  verdict: z.enum(['ok', 'warn', 'fail']),
  reason: z.string(),
  remedy: z.string().optional(),
});
export type Check = z.infer<typeof checkSchema>;

/** True when no check failed. */
export function passes(checks: readonly Check[]): boolean {
  return checks.every((check) => check.verdict !== 'fail');
}

/** What a check says, with whom it says it of unless that is the host. */
export function reasonOf({ subject, reason }: Pick<Check, 'subject' | 'reason'>): string {
  return subject === 'host' ? reason : `VM ${subject}: ${reason}`;
}
