import { readdir, readFile, readlink } from 'node:fs/promises';
import { isErrno } from './errno.ts';

/** The text of a file; `null` when there is no such file. Any other error is thrown. */
export async function readIfExists(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // ENXIO, ENODEV and EINVAL: attributes in /sys that exist but have no value on this machine.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENXIO', 'ENODEV', 'EINVAL')) return null;
    throw error;
  }
}

/** The names in a directory, sorted; none when there is no such directory. */
export async function listIfExists(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** Where a symbolic link points; `null` when there is no such link. */
export async function readLinkIfExists(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return null;
    throw error;
  }
}
