import { z } from 'zod';

export const cpuListSchema = z
  .string()
  .regex(/^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$/, 'must be a CPU list such as 1-3,6');

/** Expands a CPU list (`1-3,6`) that has passed {@link cpuListSchema} into sorted CPU numbers. */
export function expandCpuList(list: string): number[] {
  const cpus = new Set<number>();
  for (const part of list.split(',')) {
    const [first = '0', last = first] = part.split('-');
    for (let cpu = Number(first); cpu <= Number(last); cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}
