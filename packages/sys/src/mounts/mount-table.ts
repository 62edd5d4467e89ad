import { realpath } from 'node:fs/promises';
import { ExuviaError } from '@exuvia/contract';
import { readIfExists } from '../files/read.ts';

/** One mounted file system, as /proc/self/mountinfo has it (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** MAJOR:MINOR of the file system; not of a device for btrfs, NFS and such. */
  readonly device: string;
  /** The directory of the file system that is mounted: not `/` for bind mounts and btrfs subvolumes. */
  readonly root: string;
  readonly mountPoint: string;
  /** Of this mount: `rw`, `relatime`. */
  readonly options: readonly string[];
  readonly type: string;
  /** What is mounted: a device's path, or a name. */
  readonly source: string;
  /** Of the file system: `dax=always`. */
  readonly superOptions: readonly string[];
}

/** All mounts that this process sees, in the order in which they were made. */
export async function mounts(): Promise<Mount[]> {
  return parseMountInfo((await readIfExists('/proc/self/mountinfo')) ?? '');
}

export function parseMountInfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ', 2);
    const [id, parent, device, root, mountPoint, options] = before?.split(' ') ?? [];
    const [type, source, superOptions] = after?.split(' ') ?? [];
    if (!device || !root || !mountPoint || !type || source === undefined) return [];
    return {
      id: Number(id),
      parent: Number(parent),
      device,
      root: fromOctal(root),
      mountPoint: fromOctal(mountPoint),
      options: options?.split(',') ?? [],
      type,
      source: fromOctal(source),
      superOptions: superOptions?.split(',') ?? [],
    };
  });
}

/** The mount at exactly this path; where several lie on one another, the one on top. */
export function mountAt(table: readonly Mount[], path: string): Mount | null {
  return table.findLast((mount) => mount.mountPoint === path) ?? null;
}

/** The mount that holds a path, which must be absolute and free of symbolic links. */
export function mountHolding(table: readonly Mount[], path: string): Mount | null {
  let best: Mount | null = null;
  for (const mount of table) {
    const inside =
      mount.mountPoint === '/' || path === mount.mountPoint || path.startsWith(`${mount.mountPoint}/`);
    if (inside && mount.mountPoint.length >= (best?.mountPoint.length ?? 0)) best = mount;
  }
  return best;
}

/**
 * The mount that holds an existing path, symbolic links followed.
 *
 * @throws ExuviaError `mount-unknown` when none does (a chroot without its own mount table entry).
 */
export async function mountOf(path: string): Promise<Mount> {
  const mount = mountHolding(await mounts(), await realpath(path));
  if (mount !== null) return mount;
  throw new ExuviaError('mount-unknown', `The mount table does not say what ${path} lies on.`);
}

/** Spaces, tabs, line breaks and backslashes are written in octal. */
function fromOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
