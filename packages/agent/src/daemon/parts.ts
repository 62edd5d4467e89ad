import type { Doctor, HandoverKind, SetupResult } from '@exuvia/contract';
import type { CrashRecovery } from '../crash/index.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Handover, Store, VmManager } from '../kinds.ts';
import type { Software } from '../planner/index.ts';

/** What this machine gives an agent. Only these differ in tests. */
export interface Parts {
  readonly store: Store;
  readonly vms: VmManager;
  readonly handovers: ReadonlyMap<HandoverKind, Handover>;
  readonly bootId: string;
  readonly kernel: string;
  inventory(currentUpdate: () => string | null): Inventory;
  doctor(): Promise<Doctor>;
  setup(memoryBytes: number): Promise<SetupResult>;
  undoSetup(): Promise<SetupResult>;
  readonly software: Software;
  aptLine(kernel: string, running: string): Promise<string | null>;
  /** Keeps copies of the modules that VMs hold, as they are loaded. */
  keepModules(): Promise<void>;
  readonly crash: CrashRecovery;
  /** Cuts the logs of VMs that have become too long. Never rejects. */
  cutLogs(): Promise<void>;
  /** Ends this process as SIGKILL does (fault injection). */
  kill(): void;
  /** Lets go of what the parts hold; VMs run on. */
  close(): Promise<void>;
}
