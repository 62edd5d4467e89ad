import type { Check } from '@exuvia/contract';

/** A finding about the host. */
export function finding(id: string, verdict: Check['verdict'], reason: string, remedy?: string): Check {
  return { id, subject: 'host', verdict, reason, ...(remedy === undefined ? {} : { remedy }) };
}
