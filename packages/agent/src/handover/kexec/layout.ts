import { join } from 'node:path';
import { HOST_PATHS } from '@exuvia/contract';

/** Files of one update that must outlive the kernel; they lie in the store. */
export function handoverFiles(update: string, store: string = HOST_PATHS.store) {
  const directory = join(store, 'updates', update);
  return {
    directory,
    /** Size and checksum of every saved state, written by exuvia-pause, checked by exuvia-early-restore. */
    manifest: join(directory, 'manifest'),
    /** TSC stamps of the old side. */
    stamps: join(directory, 'stamps'),
    /** The kernel to go back to, and what it restores the VMs with. */
    fallbackKernel: join(directory, 'fallback-kernel'),
    fallbackInitramfs: join(directory, 'fallback-initramfs'),
    /** Why the new kernel has gone back. */
    failure: join(directory, 'failure'),
  } as const;
}

/** What exuvia-early-restore leaves for the agent: TSC stamps and the fate of every VM. */
export const RESTORE_RECORD = '/run/exuvia/restore/record';

/** File descriptors that exuvia-early-restore gives to every QEMU (native/early-restore/vm.h). */
export const RESTORE_QMP_FD = 3;
