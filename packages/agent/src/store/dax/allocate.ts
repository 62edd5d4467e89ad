import { access, mkdir, open, rename, rm, rmdir, statfs } from 'node:fs/promises';
import { ExuviaError, formatSize } from '@exuvia/contract';
import { isErrno, run, syncDirectory } from '@exuvia/sys';
import type { Layout } from './layout.ts';
import { writeZeros } from './zeros.ts';

/** What directories, extent trees and small files beside the memory need, generously. */
const MARGIN_BYTES = 2 * 2 ** 20;

/**
 * Creates a VM's memory: a file of which every block is there and holds zeros, written, not merely reserved,
 * so that no page fault of the guest has to allocate or convert anything. It gets its name when it is
 * complete: a file called `ram` is always a whole one.
 *
 * @throws ExuviaError `store-full`, `store-occupied`.
 */
export async function allocateRam(layout: Layout, name: string, bytes: number): Promise<string> {
  const path = layout.ram(name);
  const unfinished = `${path}.new`;
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new ExuviaError('vm-memory-invalid', `VM ${name} cannot have ${bytes} bytes of memory.`);
  }
  if (await exists(path)) throw occupied(name);
  await rm(unfinished, { force: true });
  await requireSpace(layout, name, bytes);
  await mkdir(layout.vm(name), { recursive: true, mode: 0o700 });
  try {
    await writeRam(unfinished, bytes);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    // Nothing else is in it, or it stays.
    await rmdir(layout.vm(name)).catch(() => null);
    if (isErrno(error, 'ENOSPC')) throw full(name, bytes, await freeBytes(layout));
    throw error;
  }
  await syncDirectory(layout.vm(name));
  await syncDirectory(layout.vms);
  return path;
}

/** Free bytes of the file system that holds the store. */
export async function freeBytes(layout: Layout): Promise<number> {
  const { bavail, bsize } = await statfs(layout.root);
  return bavail * bsize;
}

async function requireSpace(layout: Layout, name: string, bytes: number): Promise<void> {
  const free = await freeBytes(layout);
  if (free < bytes + MARGIN_BYTES) throw full(name, bytes, free);
}

async function writeRam(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    // One request for all of it lets ext4 choose large, aligned extents, which huge pages need.
    await run('fallocate', ['-l', String(bytes), path]).catch((error: unknown) => {
      // File systems without fallocate (in tests), and a lack of space, show themselves in the next step.
      if (!(error instanceof ExuviaError)) throw error;
    });
    await writeZeros(file, bytes);
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function occupied(name: string): ExuviaError {
  return new ExuviaError('store-occupied', `The store holds memory of a VM ${name} already.`, {
    hint: `Stop the VM, or give up what it holds: exuvia vm stop ${name}`,
  });
}

function full(name: string, needed: number, free: number): ExuviaError {
  const inMib = (bytes: number) => formatSize(Math.floor(bytes / 2 ** 20) * 2 ** 20);
  return new ExuviaError(
    'store-full',
    `The memory of VM ${name} needs ${formatSize(needed)} in the store, where ${inMib(free)} is free.`,
    { hint: 'Stop a VM, or give this one less memory.' },
  );
}
