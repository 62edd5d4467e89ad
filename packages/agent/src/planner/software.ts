import type { Livepatch, QemuTarget } from '@exuvia/contract';

/** A QEMU that is installed on this host. */
export interface InstalledQemu extends QemuTarget {
  readonly migrationModes: readonly string[];
  readonly machines: readonly string[];
}

/** What is installed on this host beside its kernels; looked up anew at each call. */
export interface Software {
  /** The host's own QEMU and those of agent.yaml; one that does not answer is left out. */
  qemus(): Promise<readonly InstalledQemu[]>;
  /** Throws ExuviaError `qemu-missing`, `qemu-unusable`. */
  qemuAt(binary: string): Promise<InstalledQemu>;
  /** Loaded modules that VMs hold and whose files are not what is loaded. */
  changedModules(): Promise<readonly string[]>;
  /** Loaded livepatches, and what becomes of them under a kernel. */
  livepatches(kernel: string, kernelStays: boolean): Promise<readonly Livepatch[]>;
}
