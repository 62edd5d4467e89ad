import type { AgentConfig, Heartbeat, Host } from '@exuvia/contract';
import type { SavedVms, Store, Successors, VmManager } from '../kinds.ts';

/** What every handover is given. */
export interface HandoverDependencies {
  readonly vms: VmManager & SavedVms & { readonly successors: Successors };
  readonly store: Store;
  config(): AgentConfig;
  host(): Promise<Host>;
  /** The newest heartbeat of a VM; `null` when it has no heartbeat page. */
  heartbeat(name: string): Promise<Heartbeat | null>;
}
