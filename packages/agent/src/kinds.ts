import type {
  Check,
  Fault,
  HandoverKind,
  PhaseName,
  Plan,
  QemuTarget,
  Report,
  Vm,
  VmmMethod,
  VmSpec,
} from '@exuvia/contract';
import type { GuestClock, OpenImage } from '@exuvia/qemu';

/**
 * The narrow interfaces between the update engine and what it drives. A handover contributes steps and
 * finishes an update after the jump; stores and workloads are called by the steps.
 */

/** What a step may know and do. Its state outlives the agent in the update's own directory. */
export interface StepContext {
  readonly plan: Plan;
  /** /var/lib/exuvia/updates/ID: the update's own files. */
  readonly directory: string;
  readonly fault: Fault | undefined;
  /** Aborted when somebody asks to abort: long steps give up early, short ones need not look. */
  readonly signal: AbortSignal;
  log(message: string): void;
  /** Where an injected fault may happen inside a step, for example `switch-vms/web`. */
  pass(point: string, when: Fault['when']): Promise<void>;
  /**
   * Writes the point of no return to the journal, durably; for handovers that stay in the boot. The native programs
   * of the others do that by themselves.
   */
  commit(): Promise<void>;
  /** Writes a small JSON document durably (fsync'ed), for this step's undo in a later process. */
  remember(key: string, value: unknown): Promise<void>;
  /** Reads it back; `undefined` when it was never written. */
  recall(key: string): Promise<unknown>;
}

/**
 * One step before the jump.
 *
 * `undo` must be idempotent, must work in a fresh process after the agent was killed at any point of
 * `run`, and must do nothing when `run` had not begun to change anything.
 */
export interface Step {
  readonly name: string;
  /** null: happens while the VMs run. */
  readonly phase: PhaseName | null;
  readonly description: string;
  run(context: StepContext): Promise<void>;
  undo?(context: StepContext): Promise<void>;
}

/** What an update is to bring, looked up: an installed kernel, a QEMU that answers, modules that are there. */
export interface PlanTarget {
  readonly kernel: string;
  readonly qemu: QemuTarget | null;
  readonly modules: readonly string[];
  readonly method: VmmMethod | null;
}

/** A way in which control passes from old software to new. */
export interface Handover {
  readonly kind: HandoverKind;
  /** The kernel runs on: the last step comes back, and `finish` follows in the same process. */
  readonly staysInBoot: boolean;
  /** Everything that must hold before an update of this kind may start; never throws for a failed check. */
  checks(target: PlanTarget, vms: readonly Vm[]): Promise<Check[]>;
  /** What the plan says of each VM for this handover. */
  planVms(vms: Plan['vms'], target: PlanTarget): Promise<Plan['vms']>;
  /** Where the VMs' memory waits. */
  planStore(target: PlanTarget): Promise<Plan['store']>;
  /** In order; the last one jumps and does not return when it succeeds, unless the handover stays in the boot. */
  steps(plan: Pick<Plan, 'id' | 'target' | 'vms' | 'leftOut' | 'store'>): readonly Step[];
  /** True when this boot is the one that the update's jump led to; false: the machine was reset instead. */
  arrived(plan: Pick<Plan, 'id'>): Promise<boolean>;
  /**
   * Runs at the first agent start after the jump, on the new side: adopts and verifies the VMs, cleans up,
   * and returns the report. Idempotent: the agent may be killed anywhere in it.
   */
  finish(context: StepContext): Promise<Report>;
  /**
   * Instead of `finish`, in a boot that is not the jump's: the new kernel has gone back to the old one, or the
   * machine was reset, perhaps before the jump. Takes up what is whole and keeps the rest for `exuvia recover`.
   * Absent: nothing of this handover outlives a reset. Idempotent.
   */
  salvage?(context: StepContext): Promise<Salvage>;
}

export interface Salvage {
  readonly report: Report;
  /** One or more sentences: what has happened, and what became of the VMs. */
  readonly reason: string;
  /** The host is as it was before the update: no VM is to be started by itself. */
  readonly wentBack: boolean;
}

/** Where a workload's memory and state outlive the kernel. */
export interface Store {
  readonly kind: 'dax';
  checks(): Promise<Check[]>;
  /** Finds, formats if it is new and empty, and mounts the store; `null` when the host has none. */
  open(): Promise<StoreStatus | null>;
  status(): Promise<StoreStatus | null>;
  /** Creates a VM's RAM file, every block allocated and zeroed. Throws `store-full`, `store-missing`. */
  allocate(name: string, bytes: number): Promise<string>;
  /** Overwrites a VM's memory and state with zeros, then removes them. Survives a crash in the middle. */
  scrub(name: string): Promise<void>;
  /** Finishes scrubs that a crash interrupted, and scrubs what belongs to no VM in `keep`. */
  scrubOrphans(keep: ReadonlySet<string>): Promise<string[]>;
  /** Whether it outlives the next restart through the firmware: only what has been seen on this machine counts. */
  resets(): Promise<ResetVerdict>;
  /**
   * Fills what is free with a pattern, but for `keepFree` bytes, and notes it: the next boot sees what became of it. Does
   * nothing without a store.
   */
  markForReset(options: { readonly keepFree: number; readonly signal: AbortSignal }): Promise<void>;
  /**
   * Completes the mark, if there is one, when the VMs have been saved: with the memory of those that wait elsewhere, which
   * still lies in the store. One that is not completed shows nothing.
   */
  completeMark(elsewhere: readonly string[]): Promise<void>;
  /** Notes what became of the mark of another boot. @param whole the VMs that waited in the store were found whole */
  judgeReset(whole: boolean): Promise<void>;
  /** The restart does not come. Idempotent. */
  forgetReset(): Promise<void>;
}

export interface ResetVerdict {
  readonly outlives: boolean;
  /** A sentence. */
  readonly reason: string;
}

export interface StoreStatus {
  readonly kind: 'dax';
  readonly device: string;
  readonly mountPoint: string;
  readonly physicalStart: number | null;
  readonly sizeBytes: number;
  readonly freeBytes: number;
}

/** The VMs of this host. */
export interface VmManager {
  /** @param options.answerWithinMs a QEMU that takes longer to say its state counts as one that does not answer */
  list(options?: { answerWithinMs?: number }): Promise<Vm[]>;
  get(name: string): Promise<Vm>;
  create(spec: VmSpec): Promise<Vm>;
  start(name: string): Promise<Vm>;
  /** Powers the guest down (ACPI), after `timeoutMs` ends QEMU. Its RAM is scrubbed. */
  stop(name: string, options: { timeoutMs: number }): Promise<Vm>;
  /** Stops, scrubs RAM and state, removes the spec. Disks are left alone. */
  destroy(name: string): Promise<void>;
  /** Finds QEMU processes that run already (agent restart, or restored after a jump) and moves them into their scopes. */
  adopt(): Promise<Vm[]>;
  checks(name: string): Promise<Check[]>;
  /** The complete argv that starts this VM so that it waits for its saved state (`-incoming defer`). */
  restoreArguments(name: string): Promise<readonly string[]>;
  /**
   * Takes up a VM that was saved for an update and is kept. Throws `vm-nothing-to-recover`, `vm-state-unsealed`,
   * `vm-state-damaged`, `vm-memory-damaged`, `vm-restore-failed`; state and memory are left as they are then.
   */
  recover(name: string): Promise<Vm>;
  /** The images and devices that a running VM has open, backing files included. Throws `vm-not-running`. */
  images(name: string): Promise<readonly OpenImage[]>;
  /**
   * Sets the guest's wall clock to the host's through its guest agent, and says how well; `null` when the VM has no
   * channel to one. Throws `guest-agent-silent`, `guest-agent-refused`.
   */
  setClock(name: string): Promise<GuestClock | null>;
  /** The QEMU that the VM runs in, by its own word; `null` when there is none or it does not answer. */
  runningQemu(name: string): Promise<RunningQemu | null>;
  /** Resumes a VM that a failed or aborted update left paused. Idempotent. */
  resume(name: string): Promise<void>;
}

/** What a program needs to move a VM into a QEMU that waits for it; all but `pid` are sockets. */
export interface Successor {
  readonly pid: number;
  readonly oldMonitor: string;
  readonly newMonitor: string;
  readonly cpr: string;
  readonly state: string;
}

/** How a running VM gets another QEMU, without its memory being copied. */
export interface Successors {
  /** Starts a QEMU that waits for the VM. One that waited before is ended. Throws `successor-failed`, `vm-not-running`. */
  start(name: string, binary: string): Promise<Successor>;
  /**
   * Kills a QEMU that waits, and waits until it is dead. Idempotent. Throws `successor-silent` for one that may have taken
   * over: no other QEMU has the VM.
   */
  end(name: string): Promise<void>;
  /** What another QEMU's machine would have more or less than the one that runs; QEMU itself does not notice. */
  differences(name: string, binary: string): Promise<readonly string[]>;
  /** Makes the QEMU that has taken over the VM's own, and ends the old one. Idempotent. */
  install(name: string, binary: string): Promise<void>;
  /** Lets the VM's QEMU execute another one in its own place (cpr-exec). Throws `exec-failed`. */
  exec(name: string, binary: string): Promise<void>;
  /** Brings a VM whose change of QEMU was interrupted into the one or the other. */
  settle(name: string, binary: string): Promise<'new' | 'old' | 'lost'>;
  /** The same of one that an update has left alone, because it was silent. `null`: there is none. */
  settleLeft(name: string): Promise<'new' | 'old' | 'lost' | null>;
  /** Notes that the VM was restored in another QEMU, for the next restore. */
  record(name: string, binary: string): Promise<void>;
}

/** A QEMU that runs a VM. */
export interface RunningQemu {
  readonly version: string;
  /** The distribution’s version; empty for a build of one’s own. */
  readonly package: string;
  /** Where it was started from; the file may have been replaced since. */
  readonly binary: string;
  readonly pid: number;
  readonly migrationModes: readonly string[];
}

export interface SaveInPlaceOptions {
  /** The memory is to outlive a reset of the machine: it is written back from the caches, and all of it is sealed. */
  readonly throughReset?: boolean;
}

/** How handovers put VMs away and take them up again by themselves. */
export interface SavedVms {
  /** Saves a VM's device state into the store, beside its memory, and leaves it paused. */
  saveInPlace(name: string, options?: SaveInPlaceOptions): Promise<void>;
  /** Takes up a VM whose RAM and device state an update left in the store, when the early restore did not. */
  restoreInPlace(name: string, options?: { readonly binary?: string }): Promise<Vm>;
  /** Saves a VM, RAM included, to a file outside of the store, and leaves it paused. */
  saveTo(name: string, stateFile: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Ends the QEMU of a VM that has been saved. Idempotent. */
  endSaved(name: string): Promise<void>;
  /** Takes up a VM from the file that `saveTo` wrote, RAM included; the file is removed. */
  restoreFrom(name: string, stateFile: string, options?: { readonly binary?: string }): Promise<Vm>;
}
