import type { AgentConfig, vmPaths } from '@exuvia/contract';
import type { HostNetwork } from '@exuvia/sys';
import type { Store } from '../../kinds.ts';
import type { Scopes } from './scopes.ts';

/** Where a VM's files lie; `vmPaths` of the contract on a real host. */
export type VmPaths = Readonly<Record<keyof ReturnType<typeof vmPaths>, string>>;

/** The part of a pino logger that is used here. */
interface VmLog {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
}

/** What the VM manager is given; tests give other directories and start QEMU without systemd. */
export interface VmDependencies {
  readonly store: Pick<Store, 'allocate' | 'scrub'>;
  /** As it is now: it may be read again while the agent runs. */
  readonly config: () => Partial<Pick<AgentConfig, 'vmCpus' | 'allowExec'>>;
  readonly log: VmLog;
  readonly scopes: Scopes;
  readonly paths: (name: string) => VmPaths;
  /** Directory of the spec files. */
  readonly specs: string;
  /** Directory in the store with the manifests of updates: what every saved state must look like. */
  readonly updates: string;
  /** Directory in the store that holds a directory for every VM that has memory. */
  readonly instances: string;
  /** Directory outside of the store with the states of VMs that were saved, memory included. */
  readonly saved: string;
  readonly qemu: { readonly binary: string; readonly accelerator: 'kvm' | 'tcg' };
  readonly network: HostNetwork;
  /** The program exuvia-launch. */
  readonly launcher: string;
  /** How long QEMU may take to start, to answer and to end. */
  readonly timeoutMs: number;
}
