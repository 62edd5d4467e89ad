import type { Doctor, HeartbeatBody, SetupResult } from '@exuvia/contract';
import type { Engine } from '../engine/index.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { VmManager } from '../kinds.ts';
import type { Metrics } from '../metrics/index.ts';
import type { Planner } from '../planner/index.ts';
import type { UpdateService } from '../updates/index.ts';

/** Everything that the API gives access to. */
export interface Services {
  readonly inventory: Inventory;
  readonly vms: VmManager;
  readonly planner: Planner;
  readonly engine: Engine;
  readonly updates: UpdateService;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Resolves when what an earlier agent or an update left behind has been dealt with. Never rejects. */
  readonly started: Promise<void>;
  doctor(): Promise<Doctor>;
  setup(memoryBytes: number): Promise<SetupResult>;
  undoSetup(): Promise<SetupResult>;
  /** `null`: the VM has no heartbeat page. */
  heartbeat(name: string): Promise<HeartbeatBody | null>;
}

/** The part of a pino logger that is used. */
export interface Log {
  debug(data: object, message: string): void;
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
}
