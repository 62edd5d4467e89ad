import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { openApt } from '../image/apt.ts';
import type { Base } from '../image/base.ts';
import { cached, keyOf } from '../support/cache.ts';
import { patiently } from '../support/patience.ts';
import type { Progress } from '../support/progress.ts';
import { KERNEL_SUITES, type Kernel } from './kernels.ts';

/** Files of the kernel's source that fixes and samples are taken from. */
const FILES = [
  'fs/proc/internal.h',
  'fs/proc/version.c',
  'fs/stat.c',
  'kernel/time/namespace.c',
  'net/ipv4/fib_semantics.c',
  'samples/livepatch/*.c',
];
const UNPACK_LIMIT_MS = 300_000;

/** Some files of the source package of a kernel, in their folders. */
export async function kernelSources(base: Base, kernel: Kernel, progress: Progress): Promise<string> {
  const key = keyOf(1, base.mirror, kernel.release, FILES);
  return cached('kernel-sources', key, (into) =>
    progress.step(`kernel guests: source files of ${kernel.release}`, () => fetchSources(into, base, kernel)),
  );
}

/** `6.12.117+deb13-cloud-amd64` was built from linux-source-6.12 of version `6.12.117-...`. */
async function fetchSources(folder: string, base: Base, kernel: Kernel): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'exuvia-sources-'));
  try {
    const apt = await openApt(join(work, 'apt'), base.mirror, KERNEL_SUITES);
    const [series = '', upstream = ''] = /^([0-9]+\.[0-9]+)\.[0-9]+/.exec(kernel.release)?.toReversed() ?? [];
    const versions = await apt.versions(`linux-source-${series}`);
    const version = versions.find((one) => one.startsWith(`${upstream}-`) && !one.includes('~'));
    if (version === undefined) {
      throw new ExuviaError('mirror-incomplete', `The Debian mirror offers no source of ${kernel.release}.`);
    }
    await apt.download([`linux-source-${series}=${version}`], join(work, 'debs'));
    const [deb = ''] = await readdir(join(work, 'debs'));
    const members = FILES.map((path) => `'*/${path}'`).join(' ');
    const archive = `./usr/src/linux-source-${series}.tar.xz`;
    await run(
      'sh',
      [
        '-c',
        `dpkg-deb --fsys-tarfile "$1" | tar xO ${archive} | xz -dc | tar x -C "$2" --strip-components=1 --wildcards ${members}`,
        ...['sh', join(work, 'debs', deb), folder],
      ],
      { timeoutMs: patiently(UNPACK_LIMIT_MS) },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What is taken out of a source file to make a patch of its fixed functions. */
export interface Excerpt {
  readonly file: string;
  /** Functions that are replaced by what the file has; compiled in this order. */
  readonly functions: readonly string[];
  /** Macros and functions of the file that those need. */
  readonly macros?: readonly string[];
  readonly helpers?: readonly string[];
  /** Declarations of what the file uses and the patch must find in the guest. */
  readonly declarations?: string;
}

/** A patch in C (for `exuvia guest patch build`) whose functions are those of a kernel's source file. */
export async function patchFromSource(folder: string, excerpt: Excerpt): Promise<string> {
  const text = await readFile(join(folder, excerpt.file), 'utf8');
  const includes = [...text.matchAll(/^#include <.*>$/gm)].map(([line]) => line);
  const take = (name: string) => functionText(text, excerpt.file, name);
  return [
    ...includes,
    excerpt.declarations ?? '',
    ...(excerpt.macros ?? []).map((name) => macroText(text, excerpt.file, name)),
    ...(excerpt.helpers ?? []).map(take),
    ...excerpt.functions.map((name) =>
      take(name)
        .replace(new RegExp(`\\b${name}\\(`), `fixed_${name}(`)
        .replace(/^(?!static )/, 'static '),
    ),
    ...excerpt.functions.map((name) => `EXUVIA_REPLACE(${name}, fixed_${name});`),
    '',
  ].join('\n');
}

/** A function in the kernel's style: its name in a line that begins at the margin, `}` alone at its end. */
function functionText(text: string, file: string, name: string): string {
  const found = new RegExp(`^[a-z][^\\n;=]*\\b${name}\\((?:[^;{]|\\n)*?\\n\\{\\n[\\s\\S]*?^\\}$`, 'm').exec(
    text,
  );
  return found?.[0] ?? absent(file, name);
}

function macroText(text: string, file: string, name: string): string {
  const found = new RegExp(`^#define ${name}\\b(?:.*\\\\\\n)*.*$`, 'm').exec(text);
  return found?.[0] ?? absent(file, name);
}

function absent(file: string, name: string): never {
  throw new ExuviaError('source-changed', `${file} of the kernel's source has no ${name} of the known form.`);
}
