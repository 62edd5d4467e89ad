import { randomUUID } from 'node:crypto';
import { access, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError, vmNameSchema } from '@exuvia/contract';
import { isErrno, listIfExists, run, syncDirectory } from '@exuvia/sys';
import type { Layout } from './layout.ts';
import { overwriteWithZeros } from './zeros.ts';

/** exuvia-launch holds a lock on a running VM's memory for as long as its QEMU lives; see native/launch. */
const LOCKED = 75;

/**
 * Overwrites everything that a VM has in the store with zeros, then removes it. First it is moved aside,
 * durably: from then on nobody takes it for a VM's memory, and a crash in the middle is finished by
 * {@link finishScrubs}. Does nothing when the VM has nothing in the store.
 *
 * @throws ExuviaError `store-busy` while a QEMU runs on that memory.
 */
export async function scrubVm(layout: Layout, name: string): Promise<void> {
  const from = layout.vm(name);
  if (await isLocked(layout.ram(name))) {
    throw new ExuviaError('store-busy', `The memory of VM ${name} is in use by a running QEMU.`, {
      hint: `Stop the VM first: exuvia vm stop ${name}`,
    });
  }
  await mkdir(layout.scrubbing, { recursive: true, mode: 0o700 });
  const aside = join(layout.scrubbing, `${name}-${randomUUID()}`);
  try {
    await rename(from, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  await syncDirectory(layout.vms);
  await syncDirectory(layout.scrubbing);
  await scrubTree(aside);
}

/** Finishes what a crash interrupted. Returns the names of the VMs that it had belonged to. */
export async function finishScrubs(layout: Layout): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await listIfExists(layout.scrubbing)) {
    await scrubTree(join(layout.scrubbing, entry));
    // NAME-uuid: a uuid has 36 characters.
    names.push(entry.slice(0, -37));
  }
  return names;
}

/** Scrubs what belongs to no VM in `keep` and is not in use. Returns the names. */
export async function scrubStrangers(layout: Layout, keep: ReadonlySet<string>): Promise<string[]> {
  const names: string[] = [];
  for (const name of await listIfExists(layout.vms)) {
    if (keep.has(name) || !vmNameSchema.safeParse(name).success) continue;
    // A VM that runs is nobody's orphan, whatever became of its spec.
    if (await isLocked(layout.ram(name))) continue;
    await scrubVm(layout, name);
    names.push(name);
  }
  return names;
}

async function scrubTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  for (const entry of entries) {
    if (entry.isFile()) await overwriteWithZeros(join(entry.parentPath, entry.name));
  }
  await rm(path, { recursive: true });
}

async function isLocked(ram: string): Promise<boolean> {
  // flock(1) would create a file that is not there.
  const there = await access(ram).then(
    () => true,
    () => false,
  );
  if (!there) return false;
  const args = ['-n', '-x', '-E', String(LOCKED), ram, 'true'];
  return (await run('flock', args, { allowFailure: true })).exitCode === LOCKED;
}
