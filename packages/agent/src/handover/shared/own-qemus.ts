import type { Plan } from '@exuvia/contract';

/** The same plan with each VM in the QEMU that it was started with, whatever the plan brings. Pure. */
export function withOwnQemus(plan: Plan): Plan {
  return { ...plan, target: { ...plan.target, qemu: null } };
}
