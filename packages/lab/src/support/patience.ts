/**
 * Every limit of the lab times this factor ($EXUVIA_PATIENCE, default 1): for machines that do other work at the same
 * time. No limit is a measurement; the tests mean the same with any factor.
 */
export function patiently(limitMs: number): number {
  return limitMs * Math.max(1, Number(process.env.EXUVIA_PATIENCE ?? '1') || 1);
}
