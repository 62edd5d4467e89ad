import { stat } from 'node:fs/promises';
import { isErrno } from './errno.ts';

/**
 * What `make` made of some files, kept as long as they are what they were (inode, size and time of modification, as a package
 * manager or depmod leaves them); one value for each `name`. A failure is not kept.
 */
export function madeOfFiles<Made>(): (
  name: string,
  files: readonly string[],
  make: () => Promise<Made>,
) => Promise<Made> {
  const kept = new Map<string, { readonly identity: string; readonly made: Promise<Made> }>();
  return async (name, files, make) => {
    // Looked at before they are read: a change in between is noticed the next time.
    const identity = (await Promise.all(files.map(identityOf))).join('\n');
    const known = kept.get(name);
    if (known?.identity === identity) return known.made;
    const made = make();
    kept.set(name, { identity, made });
    made.catch(() => {
      if (kept.get(name)?.made === made) kept.delete(name);
    });
    return made;
  };
}

async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'none';
    throw error;
  }
}
