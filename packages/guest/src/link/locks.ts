import { DS_PREFIX } from '../support/x86.ts';
import { refuseEntry, type Tables } from './tables.ts';
import type { LinkTarget } from './target.ts';

const LOCK = 0xf0;
/** CONFIG_NR_CPUS is 8192 at most. */
const MAX_MASK_BYTES = 1024;

/**
 * LOCK prefixes of the patch, as alternatives_smp_module_add leaves them: gone in a guest that can never
 * have a second CPU. Where a second one may come later the guest would put them back into the code that it
 * knows of, so here they stay.
 */
export function patchLocks(tables: Tables, target: LinkTarget): void {
  const entries = tables.entries('locks', 4);
  if (entries.length === 0) return;
  const unlock = isUniprocessor(target);
  for (const entry of entries) {
    const { region, buffer, offset } = tables.target(entry, 0);
    if (region === 'data') refuseEntry(entry, 'it does not lie in code');
    if (unlock && buffer[offset] === LOCK) buffer[offset] = DS_PREFIX;
  }
}

/** Only ever one CPU, and the kernel has taken the prefixes out of its own code. */
function isUniprocessor({ symbols, space, types }: LinkTarget): boolean {
  const patched = symbols.find('uniproc_patched')[0];
  const possible = symbols.find('__cpu_possible_mask')[0];
  if (patched === undefined || possible === undefined) return false;
  if (space.read(patched.address, 1)[0] !== 1) return false;
  const mask = space.read(possible.address, Math.min(types.sizeOf('cpumask'), MAX_MASK_BYTES));
  return mask.every((byte, index) => byte === (index === 0 ? 1 : 0));
}
