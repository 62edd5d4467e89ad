import { chmod, copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '@exuvia/sys';
import { guestFiles } from '../guests/files.ts';
import { GUEST_FILES } from '../guests/specs.ts';
import { cached, keyOf, keyOfFiles } from '../support/cache.ts';
import { patiently } from '../support/patience.ts';
import type { Progress } from '../support/progress.ts';
import type { Base } from './base.ts';
import { configureHost, type HostCpus } from './configure.ts';
import { type Credentials, labCredentials } from './credentials.ts';
import { makeDisk } from './disk.ts';

/** What it is made by. */
const SOURCES = ['configure.ts', 'credentials.ts', 'disk.ts', 'host-disk.ts', '../guests/specs.ts'].map(
  (name) => join(import.meta.dirname, name),
);

export interface HostDisk {
  readonly key: string;
  /** Raw image that has never been booted. */
  readonly image: string;
  readonly credentials: Credentials;
}

/**
 * Makes the disk of a lab host: the base, its configuration, the guests' files, and the Exuvia package
 * installed by apt, as a user would do it. `deb` null: a host without Exuvia.
 */
export async function buildHostDisk(
  base: Base,
  options: HostCpus & { readonly deb: string | null },
  progress: Progress,
): Promise<HostDisk> {
  const credentials = await labCredentials();
  const guests = await guestFiles(base, credentials);
  const key = keyOf(
    base.key,
    credentials.key,
    guests.key,
    options.vmCpus,
    options.startCpus,
    await keyOfFiles(options.deb === null ? SOURCES : [...SOURCES, options.deb]),
  );
  const folder = await cached('host-disk', key, (into) =>
    progress.step('image: lab host disk with the Exuvia package', async () => {
      await mkdir(into, { recursive: true });
      // Not below /tmp: Debian 13 mounts that with `nodev`, and packages are installed here.
      const work = join(into, 'work');
      try {
        const root = join(work, 'root');
        await mkdir(work);
        await run('cp', ['-a', '--reflink=auto', base.root, root], { timeoutMs: patiently(600_000) });
        if (options.deb !== null) await installPackage(root, options.deb);
        await configureHost(root, credentials, {
          ...options,
          qemus: base.pins.newQemu === null ? [] : [`${base.newQemuFolder}/usr/bin/qemu-system-x86_64`],
        });
        await copyGuests(guests.folder, root);
        await makeDisk(root, join(into, 'disk.raw'), base.pins);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    }),
  );
  return { key, image: join(folder, 'disk.raw'), credentials };
}

async function copyGuests(folder: string, root: string): Promise<void> {
  const target = join(root, GUEST_FILES);
  await mkdir(target, { recursive: true });
  for (const name of await readdir(folder)) {
    if (!name.startsWith('.')) await copyFile(join(folder, name), join(target, name));
  }
}

/** Installs a .deb in the root file system; no service is started there. */
async function installPackage(root: string, deb: string): Promise<void> {
  const policy = join(root, 'usr/sbin/policy-rc.d');
  const copy = join(root, 'tmp', basename(deb));
  await writeFile(policy, '#!/bin/sh\nexit 101\n');
  await chmod(policy, 0o755);
  await copyFile(deb, copy);
  try {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const args = ['apt-get', 'install', '-y', '--no-install-recommends', `/tmp/${basename(deb)}`];
    await run('chroot', [root, ...args], { env, timeoutMs: patiently(600_000) });
  } finally {
    await rm(policy, { force: true });
    await rm(copy, { force: true });
  }
}
