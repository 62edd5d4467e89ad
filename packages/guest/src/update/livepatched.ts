import type { GuestKernel } from '../kinds.ts';
import { listNodes, readPointer } from '../objects/reader.ts';

/** More than any livepatch has; the lists are the guest's. */
const MAX_FUNCTIONS = 4096;

/** Addresses of the functions that the guest has livepatched itself (`klp_ops`, kernel/livepatch/patch.c). */
export function livepatchedFunctions({ space, symbols, types }: GuestKernel): ReadonlySet<bigint> {
  const found = new Set<bigint>();
  const [head] = symbols.find('klp_ops');
  if (head === undefined) return found;
  const offset = (structure: string, member: string) => BigInt(types.offsetOf(structure, member));
  const node = offset('klp_ops', 'node');
  const stack = offset('klp_ops', 'func_stack');
  const inStack = offset('klp_func', 'stack_node');
  const old = offset('klp_func', 'old_func');
  for (const ops of listNodes(space, head.address, 'livepatched functions', MAX_FUNCTIONS)) {
    const first = readPointer(space, ops - node + stack);
    found.add(readPointer(space, first - inStack + old));
  }
  return found;
}
