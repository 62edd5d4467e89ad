import { formatSize, parseSize } from '@exuvia/contract';
import { guestSpec } from './specs.ts';

const MIB = 2 ** 20;
/** What VM tiny has: less holds a kernel, and no work. */
const LEAST_BYTES = 128 * MIB;
/** Of a store, beside VMs' memory: its file system has a journal of 16 MiB. */
const FILE_SYSTEM_BYTES = 32 * MIB;

/**
 * What is wrong with the memory that the lab's guests are to have, as a sentence; null for nothing.
 *
 * @param names some of GUEST_NAMES.
 * @param store a size.
 */
export function memoryProblem(names: readonly string[], busyMemory: string, store: string): string | null {
  const busyBytes = parseSize(busyMemory);
  if (busyBytes === null) return `--busy-memory ${busyMemory} is no size such as 512M.`;
  if (busyBytes < LEAST_BYTES) return `--busy-memory ${busyMemory} is less than ${formatSize(LEAST_BYTES)}.`;
  const needed = names
    .map((name) => parseSize(guestSpec(name, { busyMemory }).memory) ?? 0)
    .reduce((sum, bytes) => sum + bytes, 0);
  const room = Math.max(0, (parseSize(store) ?? 0) - FILE_SYSTEM_BYTES);
  if (needed <= room) return null;
  const memory = `With --busy-memory ${busyMemory} the memory of ${names.join(', ')} is ${formatSize(needed)}`;
  return `${memory}; a store of ${store} has room for ${formatSize(room)}.`;
}
