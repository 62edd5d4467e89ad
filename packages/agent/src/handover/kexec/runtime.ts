import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HOST_PATHS } from '@exuvia/contract';
import { isErrno, run, syncDirectory } from '@exuvia/sys';

/** A copy of QEMU in the store: executed in place (DAX) after the jump, nothing is read from a disk. */
export interface QemuRuntime {
  readonly binary: string;
  readonly environment: Readonly<Record<string, string>>;
  /** `-L` directory with the firmware and option ROMs. */
  readonly firmware: string;
}

/**
 * A third of QEMU's page faults until its guest runs are its heap's, which grows by 128 KiB at a time: too little for a huge
 * page. By 16 MiB instead; `hugetlb` asks for huge pages where they are not given unasked (glibc 2.35, malloc/malloc.c,
 * does that only there). Setting one of these ends the threshold's adaptation, so it is set to where that ends.
 */
const HEAP = 'glibc.malloc.hugetlb=1:glibc.malloc.top_pad=16777216:glibc.malloc.mmap_threshold=33554432';

const FIRMWARE = ['/usr/share/qemu', '/usr/share/seabios', '/usr/lib/ipxe/qemu'];
/** Larger firmware (UEFI) stays where it is: QEMU looks in its own directories after `-L`. */
const FIRMWARE_BYTES = 512 * 1024;

/**
 * Copies QEMU, its libraries and its small firmware into the store, once for each build.
 *
 * The copy is made under another name and renamed: one that is there is complete. A crash leaves a
 * temporary directory, which {@link removeOldRuntimes} removes.
 */
export async function installRuntime(binary: string, store: string = HOST_PATHS.store): Promise<QemuRuntime> {
  const files = await runtimeFiles(binary);
  const directory = join(store, 'runtime', await keyOf(files));
  const runtime = {
    binary: join(directory, basename(binary)),
    environment: {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LD_LIBRARY_PATH: join(directory, 'lib'),
      GLIBC_TUNABLES: HEAP,
    },
    firmware: join(directory, 'firmware'),
  };
  if (await exists(directory)) return runtime;
  const temporary = `${directory}.${randomUUID().slice(0, 8)}.tmp`;
  for (const { from, to } of files) {
    const target = join(temporary, to);
    await mkdir(join(target, '..'), { recursive: true });
    await copyFile(from, target);
  }
  await rename(temporary, directory);
  await syncDirectory(join(store, 'runtime'));
  return runtime;
}

/**
 * Copies files that QEMU reads when it starts (kernel and initrd of a guest) into the store: reading them from
 * a cold disk would be part of the blackout.
 *
 * @returns the copies' paths by the originals' paths.
 */
export async function installBootFiles(
  paths: readonly string[],
  store: string = HOST_PATHS.store,
): Promise<ReadonlyMap<string, string>> {
  const directory = join(store, 'boot-files');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const copies = new Map<string, string>();
  for (const path of new Set(paths)) {
    const copy = join(directory, await keyOf([{ from: path, to: basename(path) }]));
    copies.set(path, copy);
    if (await exists(copy)) continue;
    const temporary = `${copy}.${randomUUID().slice(0, 8)}.tmp`;
    await copyFile(path, temporary);
    await rename(temporary, copy);
  }
  await syncDirectory(directory);
  return copies;
}

/** Removes copies of boot files; a QEMU has read them when it runs. */
export async function removeBootFiles(store: string = HOST_PATHS.store): Promise<void> {
  await rm(join(store, 'boot-files'), { recursive: true, force: true });
}

/** Removes copies that no process executes, except that of `keep`. */
export async function removeOldRuntimes(
  keep: readonly QemuRuntime[],
  store: string = HOST_PATHS.store,
): Promise<void> {
  const used = await executedFiles();
  const kept = keep.map(({ binary }) => basename(join(binary, '..')));
  for (const name of await readdir(join(store, 'runtime'))) {
    const directory = join(store, 'runtime', name);
    if (kept.includes(name) || used.some((file) => file.startsWith(`${directory}/`))) continue;
    await rm(directory, { recursive: true, force: true });
  }
}

interface RuntimeFile {
  readonly from: string;
  readonly to: string;
}

async function runtimeFiles(binary: string): Promise<RuntimeFile[]> {
  const { stdout } = await run('ldd', [binary]);
  const libraries = [...stdout.matchAll(/=> (\/\S+)/g)].flatMap(([, path]) =>
    path === undefined ? [] : [path],
  );
  const firmware: RuntimeFile[] = [];
  // What belongs to this build comes last: it replaces the host's files of the same name.
  for (const directory of [...FIRMWARE, join(dirname(binary), '../share/qemu')]) {
    for (const name of await listOf(directory)) {
      const from = await realpath(join(directory, name));
      const { size } = await stat(from);
      if (size <= FIRMWARE_BYTES && /\.(bin|rom)$/.test(name))
        firmware.push({ from, to: `firmware/${name}` });
    }
  }
  return [
    { from: await realpath(binary), to: basename(binary) },
    ...libraries.map((path) => ({ from: path, to: `lib/${basename(path)}` })),
    ...firmware,
  ];
}

/** Two builds never share a key: size and time of every file, as apt leaves them. */
async function keyOf(files: readonly RuntimeFile[]): Promise<string> {
  const hash = createHash('sha256');
  for (const { from, to } of files) {
    const { size, mtimeMs } = await stat(from);
    hash.update(`${from}\0${to}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

async function executedFiles(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const links = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/exe`).catch(() => '')));
  return links.map((link) => link.replace(/ \(deleted\)$/, ''));
}

async function listOf(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
