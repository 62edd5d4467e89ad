import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { cached, cacheFolder, isCached, keyOf, keyOfFiles } from '../support/cache.ts';
import { patiently } from '../support/patience.ts';
import type { Progress } from '../support/progress.ts';
import { KEYRING, openApt, requireKeyring } from './apt.ts';
import { type Mirror, sourceLines } from './mirror.ts';
import { choosePins, HOST_PACKAGES, type Pins } from './packages.ts';
import { NEW_QEMU_FOLDER } from './qemus.ts';
import { writeToolbox } from './toolbox.ts';

/** A Debian 13 root file system with everything but Exuvia, and the tools that the lab takes out of it. */
export interface Base {
  readonly key: string;
  readonly folder: string;
  readonly root: string;
  readonly mirror: Mirror;
  readonly pins: Pins;
  /** Where the second QEMU lies in the root file system. */
  readonly newQemuFolder: string;
}

const INFO = 'base.json';
/** What it is made by. */
const SOURCES = ['base.ts', 'packages.ts', 'toolbox.ts'].map((name) => join(import.meta.dirname, name));
/** Files that exist before packages are installed, so that their scripts find them. */
const EARLY_FILES: Readonly<Record<string, string>> = {
  // An initramfs with one driver: it is read by the firmware and unpacked by an emulated CPU.
  'etc/initramfs-tools/conf.d/exuvia-lab': 'MODULES=list\nCOMPRESS=zstd\nRESUME=none\nFSTYPE=ext4\n',
  'etc/initramfs-tools/hooks/exuvia-lab':
    '#!/bin/sh\n[ "$1" = prereqs ] && exit 0\n. /usr/share/initramfs-tools/hook-functions\nmanual_add_modules virtio_blk\n',
  // The new kernel's packages want their own linux-base.
  'etc/apt/preferences.d/exuvia-lab':
    'Package: linux-base\nPin: release n=trixie-backports\nPin-Priority: 500\n',
};

/**
 * Builds the root file system, or returns the one that was built before: what the mirror offered then stays
 * in use until `refresh`.
 */
export async function buildBase(
  options: { mirror: Mirror; refresh: boolean },
  progress: Progress,
): Promise<Base> {
  const key = keyOf(options.mirror, NEW_QEMU_FOLDER, await keyOfFiles(SOURCES));
  if (options.refresh) await rm(join(cacheFolder(), `base-${key}`), { recursive: true, force: true });
  if (!isCached('base', key)) await requireRoot();
  const folder = await cached('base', key, (into) =>
    progress.step('image: Debian 13 root file system (mmdebstrap)', () =>
      bootstrap(into, options.mirror, progress),
    ),
  );
  const info = JSON.parse(await readFile(join(folder, INFO), 'utf8')) as {
    pins: Pins;
    mirror: Mirror;
    id: string;
  };
  return {
    key: info.id,
    folder,
    root: join(folder, 'root'),
    mirror: info.mirror,
    pins: info.pins,
    newQemuFolder: NEW_QEMU_FOLDER,
  };
}

/** Versions of the packages in the base, by name. */
export async function basePackages(base: Base): Promise<Record<string, string>> {
  const { stdout } = await run('dpkg-query', ['--admindir', join(base.root, 'var/lib/dpkg'), '-W']);
  return Object.fromEntries(stdout.split('\n').map((line) => line.split('\t') as [string, string]));
}

async function bootstrap(folder: string, mirror: Mirror, progress: Progress): Promise<void> {
  await requireKeyring();
  const work = await mkdtemp(join(tmpdir(), 'exuvia-base-'));
  try {
    const apt = await openApt(work, mirror);
    const pins = await choosePins(apt);
    progress.say(`image: kernels ${pins.kernels.old} and ${pins.kernels.new}, second QEMU ${pins.newQemu}`);
    await debootstrap(folder, work, { mirror, pins }, progress);
    if (pins.newQemu !== null) {
      const debs = join(work, 'debs');
      const names = ['qemu-system-x86', 'qemu-system-common', 'qemu-system-data'];
      await apt.download(
        names.map((name) => `${name}=${pins.newQemu}`),
        debs,
      );
      const target = join(folder, 'root', NEW_QEMU_FOLDER);
      await mkdir(target, { recursive: true });
      for (const deb of await readdir(debs)) await run('dpkg-deb', ['-x', join(debs, deb), target]);
      await rm(join(target, 'usr/share/doc'), { recursive: true, force: true });
    }
    await writeToolbox(folder);
    const id = keyOf(
      pins,
      mirror,
      await readFile(join(folder, 'root/var/lib/dpkg/status'), 'utf8'),
      await keyOfFiles(SOURCES),
    );
    await writeFile(join(folder, INFO), JSON.stringify({ id, mirror, pins }, null, 2));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function debootstrap(
  folder: string,
  work: string,
  { mirror, pins }: Pick<Base, 'mirror' | 'pins'>,
  progress: Progress,
): Promise<void> {
  const early = join(work, 'early');
  for (const [path, text] of Object.entries(EARLY_FILES)) {
    const file = join(early, path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, text);
    await chmod(file, text.startsWith('#!') ? 0o755 : 0o644);
  }
  const list = join(work, 'trixie.list');
  await writeFile(list, `${sourceLines(mirror, KEYRING).join('\n')}\n`);
  const kernels = [pins.kernels.old, pins.kernels.new].map((release) => `linux-image-${release}`);
  const exclude = ['doc', 'man', 'info', 'locale', 'lintian', 'bug'].map(
    (name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`,
  );
  await run(
    'mmdebstrap',
    [
      '--variant=minbase',
      '--mode=root',
      '--architectures=amd64',
      `--include=${[...HOST_PACKAGES, ...kernels].join(',')}`,
      ...exclude,
      '--dpkgopt=force-confold',
      '--dpkgopt=force-unsafe-io',
      `--essential-hook=cp -r ${early}/. "$1"/`,
      'trixie',
      join(folder, 'root'),
      list,
    ],
    { timeoutMs: patiently(1_800_000), heard: (text) => tell(text, progress) },
  );
}

/** mmdebstrap marks what it does, and leaves what its programs say unmarked. */
function tell(text: string, progress: Progress): void {
  const said = /^[IWE]: (.*)/.exec(text)?.[1];
  if (said !== undefined) progress.say(`  | ${said}`);
}

async function requireRoot(): Promise<void> {
  if (process.getuid?.() === 0) return;
  throw new ExuviaError(
    'lab-needs-root',
    'The lab image can only be built by root: it installs packages in a chroot.',
    {
      hint: 'Run the command as root, and the lab too: the image is kept in ~/.cache/exuvia of whoever builds it, or in EXUVIA_CACHE.',
    },
  );
}
