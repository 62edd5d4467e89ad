import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { type Apt, newestVersion, openApt, requireKeyring } from '../image/apt.ts';
import type { Base } from '../image/base.ts';
import type { Suite } from '../image/mirror.ts';
import { runBaseProgram } from '../image/toolbox.ts';
import { cached, keyOf } from '../support/cache.ts';
import type { Progress } from '../support/progress.ts';

/** `6.12-old` is the oldest build of 6.12 of which the mirror still has everything: it lacks fixes that `6.12` has. */
export const KERNEL_NAMES = ['6.1', '6.12', '6.12-old', '7.2'] as const;
export type KernelName = (typeof KERNEL_NAMES)[number];

/** A Debian kernel, unpacked. */
export interface Kernel {
  readonly name: KernelName;
  /** As `uname -r` says it. */
  readonly release: string;
  readonly image: string;
  /** A folder with lib/modules/RELEASE and depmod's indexes. */
  readonly root: string;
}

export interface Kernels {
  readonly kernels: Readonly<Record<KernelName, Kernel>>;
  /** A static busybox for their guests. */
  readonly busybox: string;
  readonly key: string;
}

/** Debian 12 (6.1), Debian 13 (6.12) and its backports (7.2). */
export const KERNEL_SUITES: readonly Suite[] = [
  ['debian', 'trixie'],
  ['security', 'trixie-security'],
  ['debian', 'trixie-backports'],
  ['debian', 'bookworm'],
  ['security', 'bookworm-security'],
];

const PATTERNS: Readonly<Record<KernelName, RegExp>> = {
  '6.1': /^6\.1\.0-[0-9]+-cloud-amd64$/,
  '6.12': /^6\.12\.[0-9]+\+deb13(\.[0-9]+)?-cloud-amd64$/,
  '6.12-old': /^6\.12\.[0-9]+\+deb13(\.[0-9]+)?-cloud-amd64$/,
  '7.2': /^7\.[0-9]+\.[0-9]+\+deb13(\.[0-9]+)?-cloud-amd64$/,
};
const INFO = 'kernels.json';

/** Fetches the kernels that guests are tested with, or returns those that were fetched before. */
export async function kernelSet(base: Base, progress: Progress): Promise<Kernels> {
  const key = keyOf(4, base.mirror, KERNEL_SUITES, Object.values(PATTERNS).map(String));
  const folder = await cached('kernel-guests', key, (into) =>
    progress.step('kernel guests: fetching Debian kernels', () => fetchKernels(into, base)),
  );
  const releases = JSON.parse(await readFile(join(folder, INFO), 'utf8')) as Record<KernelName, string>;
  const kernel = (name: KernelName): Kernel => ({
    name,
    release: releases[name],
    image: join(folder, name, 'vmlinuz'),
    root: join(folder, name),
  });
  return {
    kernels: {
      '6.1': kernel('6.1'),
      '6.12': kernel('6.12'),
      '6.12-old': kernel('6.12-old'),
      '7.2': kernel('7.2'),
    },
    busybox: join(folder, 'busybox'),
    key: keyOf(key, releases),
  };
}

async function fetchKernels(folder: string, base: Base): Promise<void> {
  await requireKeyring();
  const work = await mkdtemp(join(tmpdir(), 'exuvia-kernels-'));
  try {
    const apt = await openApt(work, base.mirror, KERNEL_SUITES);
    const releases = await chooseReleases(apt);
    for (const name of KERNEL_NAMES) await unpackKernel(apt, base, releases[name], join(folder, name), work);
    await unpack(apt, ['busybox-static'], join(work, 'busybox'), join(work, 'busybox-debs'));
    const busybox = ['usr/bin/busybox', 'bin/busybox'].map((path) => join(work, 'busybox', path));
    for (const path of busybox) if (existsSync(path)) await run('cp', [path, join(folder, 'busybox')]);
    await writeFile(join(folder, INFO), JSON.stringify(releases));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function chooseReleases(apt: Apt): Promise<Record<KernelName, string>> {
  // Mirrors keep kernels for longer than the headers that patches are built with.
  const images = await apt.names('^linux-image-[0-9].*-cloud-amd64$');
  const headers = new Set(await apt.names('^linux-headers-[0-9].*-cloud-amd64$'));
  const releases = images.map((name) => name.replace(/^linux-image-/, ''));
  const all = releases.filter((release) => headers.has(`linux-headers-${release}`));
  const of = (name: KernelName) => all.filter((release) => PATTERNS[name].test(release));
  const seven = of('7.2');
  const chosen = {
    '6.1': await newestVersion(of('6.1')),
    '6.12': await newestVersion(of('6.12')),
    '6.12-old': await newestVersion(of('6.12-old'), { oldest: true }),
    '7.2': await newestVersion(seven.some(isSevenTwo) ? seven.filter(isSevenTwo) : seven),
  };
  const release = (name: KernelName) => chosen[name] ?? missing(name);
  return {
    '6.1': release('6.1'),
    '6.12': release('6.12'),
    '6.12-old': release('6.12-old'),
    '7.2': release('7.2'),
  };
}

function isSevenTwo(release: string): boolean {
  return release.startsWith('7.2.');
}

function missing(name: KernelName): never {
  throw new ExuviaError('mirror-incomplete', `The Debian mirror offers no kernel ${name}.`, {
    hint: 'Choose a mirror that has bookworm, trixie and trixie-backports.',
  });
}

/** Since 7.1 Debian splits the image's package into several. */
async function unpackKernel(
  apt: Apt,
  base: Base,
  release: string,
  folder: string,
  work: string,
): Promise<void> {
  const parts = new Set(
    await apt.names(`^linux-(base|binary|modules)-${release.replaceAll(/[.+]/g, '\\$&')}$`),
  );
  await unpack(apt, [`linux-image-${release}`, ...parts], folder, join(work, `debs-${release}`));
  if (!existsSync(join(folder, 'lib'))) await symlink('usr/lib', join(folder, 'lib'));
  const images = [`boot/vmlinuz-${release}`, `lib/modules/${release}/vmlinuz`];
  for (const image of images) {
    if (existsSync(join(folder, image)))
      await run('cp', ['-L', join(folder, image), join(folder, 'vmlinuz')]);
  }
  await rm(join(folder, 'usr/share'), { recursive: true, force: true });
  await runBaseProgram(base.folder, { program: 'usr/bin/kmod', name: 'depmod' }, ['-b', folder, release]);
}

/** Downloads packages and unpacks them, without installing, into a folder. */
export async function unpack(
  apt: Apt,
  packages: readonly string[],
  folder: string,
  debs: string,
): Promise<void> {
  await apt.download(packages, debs);
  for (const deb of await readdir(debs)) await run('dpkg-deb', ['-x', join(debs, deb), folder]);
}
