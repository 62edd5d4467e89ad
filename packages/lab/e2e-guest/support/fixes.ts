import type { KernelName } from '../../src/kernel-guests/index.ts';
import { type Excerpt, patchFromSource } from '../../src/kernel-guests/sources.ts';
import type { Bed } from './bed.ts';
import { patchOf } from './patches.ts';

/** Fixes that are in the newest 6.12 and not in 6.12.94; each changes code only. */
export const FIXES = {
  /** "fsverity: hoist statx reporting of fs-verity flag": statx(2) says that it knows STATX_ATTR_VERITY. */
  verity: { file: 'fs/stat.c', functions: ['vfs_getattr_nosec'] },
  /** "time/namespace: Validate nanosecond field in proc_timens_set_offset()". */
  timens: {
    file: 'kernel/time/namespace.c',
    functions: ['proc_timens_set_offset'],
    helpers: ['to_time_ns', 'timens_for_children_get'],
    declarations: 'extern struct mutex offset_lock;',
  },
  /** CVE-2026-99121, "ipv4: avoid divide by zero in fib_rebalance". */
  rebalance: {
    file: 'net/ipv4/fib_semantics.c',
    functions: ['fib_rebalance'],
    macros: ['for_nexthops', 'change_nexthops', 'endfor_nexthops'],
  },
} as const satisfies Record<string, Excerpt>;

/** A fix, taken from the source of the newer kernel and built for the older one. */
export async function fixFor(bed: Bed, kernel: KernelName, name: keyof typeof FIXES): Promise<string> {
  return patchOf(bed, kernel, `fix-${name}`, await patchFromSource(bed.sources, FIXES[name]));
}
