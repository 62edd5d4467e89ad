import { QmpClient } from '@exuvia/qemu';
import type { GuestKernel } from '../kinds.ts';
import { copyImage, findKernelImage } from '../locate/image.ts';
import { readSystemRegisters } from '../locate/registers.ts';
import { openGuestMemory } from '../memory/open.ts';
import { createKernel } from './kernel.ts';
import { readTables } from './tables.ts';

export interface AttachOptions {
  /** So that `physical` and `space` may be written. Default: no. */
  readonly writable?: boolean;
}

/** A kernel, and the connections that it is read through. */
export interface AttachedGuest extends GuestKernel {
  readonly qmp: QmpClient;
  /** Lets go of the VM, which has not noticed anything. Closes the monitor only if {@link attach} opened it. */
  detach(): void;
}

/**
 * Attaches to the kernel of a running VM and understands it. The VM runs on.
 *
 * @param monitor a QMP socket's path, or a connection.
 * @throws GuestError naming what did not verify; those of QmpClient.connect.
 */
export async function attach(
  monitor: string | QmpClient,
  options: AttachOptions = {},
): Promise<AttachedGuest> {
  const qmp = typeof monitor === 'string' ? await QmpClient.connect(monitor) : monitor;
  const release = () => {
    if (typeof monitor === 'string') qmp.close();
  };
  try {
    const memory = await openGuestMemory(qmp, options);
    try {
      const image = findKernelImage(memory, await readSystemRegisters(qmp));
      const kernel = createKernel(memory, image, readTables(copyImage(memory, image), image.base));
      const detach = () => {
        memory.close();
        release();
      };
      return { ...kernel, qmp, detach };
    } catch (error) {
      memory.close();
      throw error;
    }
  } catch (error) {
    release();
    throw error;
  }
}
