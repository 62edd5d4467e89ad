import { GuestError } from '../errors.ts';
import { type KernelReader, readPointer, readUnsigned } from './reader.ts';

/** CONFIG_NR_CPUS is never above this on x86 (CONFIG_MAXSMP). */
const MAX_CPUS = 8192;

/** Number of CPUs that the kernel has places for: numbers are below it. Throws `guest-cpus` when it is nonsense. */
export function cpuCount({ space, symbols }: KernelReader): number {
  const count = readUnsigned(space, symbols.one('nr_cpu_ids').address);
  if (count >= 1 && count <= MAX_CPUS) return count;
  throw new GuestError('guest-cpus', `The guest says that it has ${count} CPUs.`);
}

/** Address of a CPU's own copy of a per-CPU variable. @throws GuestError `guest-cpus` for a CPU that does not exist. */
export function perCpuAddress(reader: KernelReader, variable: bigint, cpu: number): bigint {
  const count = cpuCount(reader);
  if (!Number.isInteger(cpu) || cpu < 0 || cpu >= count) {
    throw new GuestError('guest-cpus', `The guest has no CPU ${cpu}: it has ${count}, from 0.`);
  }
  const table = reader.symbols.one('__per_cpu_offset').address;
  return BigInt.asUintN(64, readPointer(reader.space, table + BigInt(8 * cpu)) + variable);
}
