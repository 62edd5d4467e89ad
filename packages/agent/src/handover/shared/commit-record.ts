import type { Plan } from '@exuvia/contract';
import { renderRecord } from '../../journal/index.ts';

/** The journal line that marks an update's point of no return, line break included. */
export function commitRecord(plan: Plan): string {
  const at = new Date().toISOString();
  return renderRecord({ v: 1, kind: 'commit', at, bootId: plan.host.bootId, update: plan.id });
}
