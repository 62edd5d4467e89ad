import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunOptions, type RunResult, run } from '@exuvia/sys';
import { KEYRING, openApt } from '../image/apt.ts';
import type { Base } from '../image/base.ts';
import { sourceLines } from '../image/mirror.ts';
import { cached, keyOf } from '../support/cache.ts';
import { patiently } from '../support/patience.ts';
import type { Progress } from '../support/progress.ts';
import { KERNEL_NAMES, KERNEL_SUITES, type Kernels, unpack } from './kernels.ts';

/** A Debian 13 with compilers and the headers packages of all kernels of {@link Kernels}. */
export interface BuildRoot {
  readonly root: string;
  readonly key: string;
  /** Runs a shell command in it, in a folder of this machine that is seen there as /mnt. Throws as `run` does. */
  run(command: string, work: string, options?: RunOptions): Promise<RunResult>;
}

const PACKAGES = [
  ...['gcc-14', 'gcc-12', 'make', 'binutils', 'libc6-dev', 'libelf1t64', 'libssl3t64', 'zlib1g'],
  // What the programs of kpatch-build call.
  ...['elfutils', 'gawk', 'pahole'],
];
/** Its dependencies would fill a machine (ghostscript, docbook): only the programs are wanted. */
const UNPACKED = ['kpatch-build'];
const MMDEBSTRAP_LIMIT_MS = 1_200_000;

/** Builds it once for the kernels that it has headers of. */
export async function buildRoot(base: Base, kernels: Kernels, progress: Progress): Promise<BuildRoot> {
  const key = keyOf(1, base.mirror, kernels.key, PACKAGES, UNPACKED);
  const folder = await cached('kernel-build-root', key, (into) =>
    progress.step('kernel guests: compilers and headers', () => bootstrap(into, base, kernels)),
  );
  const root = join(folder, 'root');
  return { root, key, run: (command, work, options = {}) => runIn(root, command, work, options) };
}

async function bootstrap(folder: string, base: Base, kernels: Kernels): Promise<void> {
  const root = join(folder, 'root');
  const work = await mkdtemp(join(tmpdir(), 'exuvia-build-root-'));
  try {
    const list = join(work, 'trixie.list');
    await writeFile(list, `${sourceLines(base.mirror, KEYRING).join('\n')}\n`);
    const options = ['--variant=minbase', '--mode=root', '--architectures=amd64'];
    await run(
      'mmdebstrap',
      [
        ...options,
        `--include=${PACKAGES.join(',')}`,
        '--dpkgopt=path-exclude=/usr/share/{doc,man,locale,info}/*',
        ...['--dpkgopt=force-unsafe-io', 'trixie', root, list],
      ],
      { timeoutMs: patiently(MMDEBSTRAP_LIMIT_MS) },
    );
    const apt = await openApt(join(work, 'apt'), base.mirror, KERNEL_SUITES);
    const releases = KERNEL_NAMES.map((name) => kernels.kernels[name].release);
    const packages = [...new Set(releases.flatMap(headersPackages)), ...UNPACKED];
    await unpack(apt, packages, root, join(work, 'debs'));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Debian's headers of a release are three packages; before 6.12 the programs are shared by all of a series. */
function headersPackages(release: string): string[] {
  const base = release.replace(/-cloud-amd64$/, '');
  const series = release.startsWith('6.1.');
  return [
    `linux-headers-${release}`,
    `linux-headers-${base}-common`,
    ...(series ? ['linux-kbuild-6.1', 'linux-compiler-gcc-12-x86'] : [`linux-kbuild-${base}`]),
  ];
}

/** The mounts go with the namespace, and the namespace with its last process. objtool reads /proc since 7.1. */
const ENTER = `set -e
mount --make-rprivate /
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/mnt"
exec chroot "$1" /bin/sh -ec "cd /mnt; $3"`;

function runIn(root: string, command: string, work: string, options: RunOptions): Promise<RunResult> {
  return run('unshare', ['--mount', 'sh', '-c', ENTER, 'sh', root, work, command], options);
}
