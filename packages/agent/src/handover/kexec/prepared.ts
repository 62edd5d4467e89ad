import type { EarlyNeeds } from './needs.ts';
import type { EarlyVm } from './restore-plan.ts';
import type { QemuRuntime } from './runtime.ts';

/** What the later steps of one update take from the earlier ones; all of it can be computed again. */
export interface Prepared {
  needs?: EarlyNeeds;
  /** By the path of the QEMU that was copied. */
  runtimes?: ReadonlyMap<string, QemuRuntime>;
  vms?: readonly EarlyVm[];
}
