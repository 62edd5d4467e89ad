import { existsSync } from 'node:fs';
import { readlink, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GuestError } from '../errors.ts';

/** Where a kernel's headers are, and whether the compiler is taken from beside them. */
export interface Headers {
  /** The folder that is handed to make -C. */
  readonly folder: string;
  /** Above usr/src; `/` for those that are installed. */
  readonly root: string;
  /** Everything that builds is taken from `root`, by chroot: it has a shell, make and a compiler. */
  readonly ownTools: boolean;
}

/**
 * Finds the headers of a release: installed (`/lib/modules/RELEASE/build` or `/usr/src/linux-headers-RELEASE`),
 * or below `folder`, which is either such a folder itself, or one that Debian's packages linux-headers-RELEASE,
 * linux-headers-...-common and linux-kbuild-... were unpacked into, perhaps a whole Debian root.
 *
 * @throws GuestError `patch-headers-missing`.
 */
export async function findHeaders(release: string, folder: string | undefined): Promise<Headers> {
  if (!/^[0-9][0-9A-Za-z.+~_-]*$/.test(release)) {
    throw new GuestError('patch-headers-missing', `"${release}" is no kernel release.`, {
      hint: 'A release is what uname -r says in the guest, for example 6.12.117+deb13-cloud-amd64.',
    });
  }
  const root = folder === undefined ? '/' : resolve(folder);
  const candidates = [`usr/src/linux-headers-${release}`, `lib/modules/${release}/build`];
  for (const candidate of candidates) {
    const path = await inside(root, join(root, candidate));
    if (existsSync(join(path, 'Makefile'))) return { folder: path, root, ownTools: hasTools(root) };
  }
  if (folder !== undefined && existsSync(join(root, 'include/generated'))) {
    return { folder: root, root: '/', ownTools: false };
  }
  throw new GuestError(
    'patch-headers-missing',
    folder === undefined
      ? `The headers of ${release} are not installed on this machine.`
      : `There are no headers of ${release} in ${folder}.`,
    {
      hint: `Install linux-headers-${release}, or unpack it (with its -common and linux-kbuild packages) and name the folder with --headers.`,
    },
  );
}

function hasTools(root: string): boolean {
  return root !== '/' && existsSync(join(root, 'usr/bin/make')) && existsSync(join(root, 'bin/sh'));
}

/** A link that leads to /usr/src is meant within the root. */
async function inside(root: string, path: string): Promise<string> {
  const target = await readlink(path).catch(() => undefined);
  if (target === undefined) return path;
  return target.startsWith('/') ? join(root, target) : await realpath(path).catch(() => path);
}
