import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type RunResult, run } from '@exuvia/sys';
import { GuestError } from '../errors.ts';
import { type PatchFile, readPatch } from '../patch/index.ts';
import { HEADER, HEADER_NAME } from '../sdk/header.ts';
import { findHeaders, type Headers } from './headers.ts';
import { shadowHeaders } from './shadow.ts';

export interface BuildOptions {
  /** A C file that uses the macros of the SDK's header. */
  readonly source: string;
  /** The guest's kernel, as uname -r says it there. */
  readonly release: string;
  /** Where the patch goes. */
  readonly output: string;
  /** Where unpacked headers packages are; default: those installed on this machine. */
  readonly headers?: string;
  /** The compiler; default: the one that the headers name. */
  readonly compiler?: string;
}

const BUILD_LIMIT_MS = 300_000;
const ERROR_LINES = 20;
/** Where the work folder is seen within a root of its own. */
const WORK_IN_ROOT = '/tmp';

/**
 * Builds a patch with the kernel's own build system, so that compiler flags, objtool and module format are
 * those of the guest's kernel, and reads the result.
 *
 * @throws GuestError `patch-headers-missing`, `patch-build-failed` with the compiler's messages; the errors
 * of {@link readPatch}.
 */
export async function buildPatch(options: BuildOptions): Promise<PatchFile> {
  const source = await readFile(options.source, 'utf8').catch((cause: unknown) => {
    throw new GuestError('patch-source-missing', `${options.source} cannot be read.`, { cause });
  });
  const headers = await findHeaders(options.release, options.headers);
  const name = moduleName(options.output);
  const work = await mkdtemp(join(tmpdir(), 'exuvia-patch-'));
  try {
    await writeSources(work, name, source, options.source);
    const result = await make(headers, work, name, options.compiler);
    if (result.exitCode !== 0) throw failure(options, result, work);
    await copyFile(join(work, `${name}.ko`), options.output);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return readPatch(await readFile(options.output), options.output);
}

/** A module's name in C: fix-cve.ko is fix_cve. */
function moduleName(output: string): string {
  const name = basename(output)
    .replace(/\.ko$/, '')
    .replaceAll(/[^A-Za-z0-9_]/g, '_');
  if (name === '') throw new GuestError('patch-build-failed', `${output} is no name for a patch.`);
  return name;
}

async function writeSources(work: string, name: string, source: string, path: string): Promise<void> {
  const flags = `-include $(src)/${HEADER_NAME}`;
  await writeFile(join(work, HEADER_NAME), HEADER);
  // Messages of the compiler name the user's file.
  await writeFile(join(work, `${name}.c`), `#line 1 ${JSON.stringify(path)}\n${source}`);
  await writeFile(join(work, 'Makefile'), `obj-m := ${name}.o\nccflags-y += ${flags}\n`);
}

/** KBUILD_MODPOST_WARN: names that the kernel does not export are found in the guest. */
async function make(
  headers: Headers,
  work: string,
  name: string,
  compiler: string | undefined,
): Promise<RunResult> {
  const variables = ['KBUILD_MODPOST_WARN=1', ...(compiler === undefined ? [] : [`CC=${compiler}`])];
  const options = { allowFailure: true, timeoutMs: BUILD_LIMIT_MS };
  const target = `${name}.ko`;
  if (headers.ownTools) {
    const folder = headers.folder.slice(headers.root.length);
    const command = ['make', '-C', folder, `M=${WORK_IN_ROOT}`, ...variables, target];
    return await run(
      'unshare',
      ['--mount', 'sh', '-c', ENTER, 'sh', headers.root, work, ...command],
      options,
    );
  }
  let folder = headers.folder;
  if (headers.root !== '/') {
    folder = join(work, 'headers');
    await mkdir(folder);
    await shadowHeaders(headers, folder);
  }
  return await run('make', ['-C', folder, `M=${work}`, ...variables, target], options);
}

/** The mounts go with the namespace, and the namespace with its last process. objtool reads /proc since 7.1. */
const ENTER = `set -e
root=$1 work=$2
shift 2
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$work" "$root${WORK_IN_ROOT}"
exec chroot "$root" "$@"`;

function failure({ source, release }: BuildOptions, result: RunResult, work: string): GuestError {
  const text = `${result.stdout}\n${result.stderr}`;
  const lines = text.replaceAll(`${work}/`, '').replaceAll(`${WORK_IN_ROOT}/`, '').split('\n');
  const errors = lines.filter(
    (line) => /\b(error|fatal|undefined)\b|not found/i.test(line) && !/^make/.test(line),
  );
  const shown = (errors.length > 0 ? errors : lines.slice(-ERROR_LINES)).slice(0, ERROR_LINES);
  return new GuestError(
    'patch-build-failed',
    `${source} cannot be built for ${release}:\n  ${shown.join('\n  ')}`,
    {
      hint: 'The patch must compile as a module of that kernel; --headers DIR may name a Debian root that has its compiler.',
    },
  );
}
