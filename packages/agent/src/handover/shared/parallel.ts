import type { Plan } from '@exuvia/contract';

/** Does work for each item, at most `limit` at once, begun in their order; results in that order. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as Item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** The VMs of a plan, the first one to be served first. */
export function byPriority({ vms }: Pick<Plan, 'vms'>): Plan['vms'] {
  return vms.toSorted((a, b) => a.priority - b.priority || a.name.localeCompare(b.name));
}

/** Waits for all, so that nothing is under way any more when one has failed. */
export async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
