import { type Host, type QemuTarget, VERSION } from '@exuvia/contract';
import { aptSources, hostFacts, installedKernels, namesOfSources, packageVersions } from '@exuvia/sys';
import type { Store } from '../kinds.ts';

/** Reads what this host is; everything is looked up anew at each call. */
export interface Inventory {
  host(): Promise<Host>;
}

export interface InventoryDependencies {
  readonly store: Pick<Store, 'status'>;
  /** Version of the QEMU that VMs are started with; `null` when there is none. */
  qemuVersion(): Promise<string | null>;
  /** Those beside it that the configuration names and that answer. */
  qemus(): Promise<readonly QemuTarget[]>;
  /** The update that is running. */
  currentUpdate(): string | null;
}

/** The packages whose versions a report has to name: what an update replaces or depends on. */
const PACKAGES = [
  'exuvia',
  'kexec-tools',
  'linux-image-*',
  'qemu-system-x86',
  'systemd',
  'libc6',
  'grub-pc',
  'grub-efi-amd64',
] as const;

export function createInventory(dependencies: InventoryDependencies): Inventory {
  return {
    async host() {
      const [facts, kernels, packages, sources, store, qemu, qemus] = await Promise.all([
        hostFacts(),
        installedKernels(),
        packageVersions(PACKAGES),
        // A file of apt's that cannot be read is no reason to say nothing of the host.
        aptSources().catch(() => []),
        dependencies.store.status(),
        dependencies.qemuVersion(),
        dependencies.qemus(),
      ]);
      return {
        ...facts,
        version: VERSION,
        qemu,
        kernels: kernels.map((kernel) => kernel.release),
        packages,
        sources: namesOfSources(sources),
        qemus: [...qemus],
        store,
        update: dependencies.currentUpdate(),
      };
    },
  };
}
