import { QmpClient } from '@exuvia/qemu';
import { GuestError } from '../errors.ts';
import type { GuestKernel, PhysicalMemory } from '../kinds.ts';
import { copyImage, findKernelImage } from '../locate/image.ts';
import { readSystemRegisters, type SystemRegisters } from '../locate/registers.ts';
import { openGuestMemory } from '../memory/open.ts';
import { checked } from '../support/checked.ts';
import { defaultCacheFolder, loadTables, storeTables } from './cache.ts';
import { createKernel } from './kernel.ts';
import { readTables } from './tables.ts';

export interface UnderstandOptions {
  /** Folder in which tables of kernels are kept; null for none. Default: {@link defaultCacheFolder}. */
  readonly cache?: string | null;
}

export interface AttachOptions extends UnderstandOptions {
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
      const kernel = await understandRunning(memory, () => readSystemRegisters(qmp), options);
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

const ATTEMPTS = 10;

/**
 * The page tables that a processor uses when its registers are read may belong to a program that ends before
 * they are followed, and their memory to somebody else then: with other ones it is tried again.
 */
export async function understandRunning(
  memory: PhysicalMemory,
  readRegisters: () => Promise<SystemRegisters>,
  options: UnderstandOptions,
): Promise<GuestKernel> {
  for (let attempt = 1; ; attempt++) {
    const registers = await readRegisters();
    try {
      return await understandKernel(memory, registers, options);
    } catch (error) {
      const now = await readRegisters();
      if (!(error instanceof GuestError) || now.cr3 === registers.cr3 || attempt === ATTEMPTS) throw error;
    }
  }
}

/**
 * Understands the kernel in a VM's memory. What was computed from its image is taken from the cache where it
 * was computed before from the very same bytes.
 *
 * @throws GuestError naming what did not verify.
 */
export async function understandKernel(
  memory: PhysicalMemory,
  registers: SystemRegisters,
  { cache = defaultCacheFolder() }: UnderstandOptions = {},
): Promise<GuestKernel> {
  const image = findKernelImage(memory, registers);
  const known = cache === null ? null : loadTables(cache, image);
  if (known !== null) return checked(() => createKernel(memory, image, known));
  const tables = checked(() => readTables(copyImage(memory, image), image.base));
  const kernel = checked(() => createKernel(memory, image, tables));
  // Only what verified is kept. A cache that cannot be written costs time, nothing else.
  if (cache !== null) storeTables(cache, tables);
  return kernel;
}
