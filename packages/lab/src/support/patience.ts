/**
 * Every limit of the lab times this factor ($EXUVIA_PATIENCE, default 3): an emulated host is three times slower on one
 * machine than on another, and slower still while the machine does other work. No limit is a measurement; the tests mean
 * the same with any factor.
 */
export const patience = Math.max(1, Number(process.env.EXUVIA_PATIENCE ?? '3') || 1);

export function patiently(limitMs: number): number {
  return limitMs * patience;
}
