import { readdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { findAccelerator } from '../host/accelerator.ts';
import type { Accelerator } from '../host/state.ts';
import type { Progress } from '../support/progress.ts';
import { type Base, buildBase } from './base.ts';
import type { Credentials } from './credentials.ts';
import { buildHostDisk } from './host-disk.ts';
import { kernelOf } from './kernel.ts';
import { type Mirror, machineMirror } from './mirror.ts';
import { prepareDisk } from './prepare.ts';

export interface ImageOptions {
  /** The kernel of the first boot: a release, or the beginning of one, of the two that the image has. */
  readonly kernel: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Size of the store, as `exuvia setup --memory` takes it; null: a host on which setup never ran. */
  readonly store: string | null;
  /** A mirror of Debian; default: the one that this machine's apt uses. */
  readonly mirror?: string | undefined;
  /** Take what the mirror offers today, instead of what it offered when the image was built. */
  readonly refresh: boolean;
  /** The Exuvia package; default: the newest in build/. null: a host without it. */
  readonly deb?: string | null | undefined;
}

export interface Image {
  readonly base: Base;
  /** Release of the kernel of the first boot. */
  readonly kernel: string;
  readonly credentials: Credentials;
  readonly accelerator: Accelerator;
  /** Raw image that a lab host's overlay is made on. */
  readonly disk: string;
  /** False for a host without the Exuvia package. */
  readonly hasAgent: boolean;
}

const REPOSITORY = join(import.meta.dirname, '../../../..');

/**
 * Builds a lab host's image; every piece that has not changed is taken from the cache. The lock must be held.
 *
 * @throws ExuviaError `kernel-unknown` before anything is booted.
 */
export async function buildImage(options: ImageOptions, progress: Progress): Promise<Image> {
  const mirror = options.mirror === undefined ? await machineMirror() : mirrorAt(options.mirror);
  const base = await buildBase({ mirror, refresh: options.refresh }, progress);
  const kernel = kernelOf(base.pins, options.kernel);
  const accelerator = await findAccelerator(base, progress);
  const deb = options.deb === undefined ? await builtPackage() : options.deb;
  if (deb === null) progress.say('image: there is no Exuvia package (npm run package builds it)');
  // The emulator corrupts the lab host's memory when its VMs run on CPU 0 and another CPU at once.
  const vmCpus = accelerator === 'tcg' ? `1-${options.cpus - 1}` : null;
  const disk = await buildHostDisk(
    base,
    { deb, vmCpus, startCpus: startCpus(accelerator, options.cpus) },
    progress,
  );
  const common = { base, kernel, accelerator, credentials: disk.credentials };
  const { store } = options;
  if (deb === null || store === null) return { ...common, disk: disk.image, hasAgent: deb !== null };
  const prepared = await prepareDisk(base, disk, { ...options, store, accelerator }, progress);
  return { ...common, disk: prepared.image, hasAgent: true };
}

/**
 * An emulated CPU more than the machine has processors holds up the others: whatever asks all CPUs, and loading kvm does
 * so some 2,000 times, waits until each of them has had a processor.
 */
function startCpus(accelerator: Accelerator, cpus: number): number | null {
  const processors = Math.max(2, availableParallelism());
  return accelerator === 'tcg' && cpus > processors ? processors : null;
}

/** The .deb that `npm run package` built last; `null` when there is none. */
export async function builtPackage(): Promise<string | null> {
  const folder = join(REPOSITORY, 'build');
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^exuvia_.*_amd64\.deb$/.test(name));
  let newest: { path: string; at: number } | null = null;
  for (const name of names) {
    const path = join(folder, name);
    const at = (await stat(path)).mtimeMs;
    if (newest === null || at > newest.at) newest = { path, at };
  }
  return newest?.path ?? null;
}

function mirrorAt(uri: string): Mirror {
  const debian = uri.replace(/\/+$/, '');
  return { debian, security: debian.replace(/\/debian$/, '/debian-security') };
}
