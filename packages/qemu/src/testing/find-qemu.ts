import { access, constants, glob } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * The QEMU that tests run: the environment's EXUVIA_QEMU, else qemu-system-x86_64 on the PATH, else the one
 * that the lab has unpacked in its cache.
 *
 * @returns its path, or the sentence that says why there is none.
 */
export async function findQemu(): Promise<{ binary: string } | { missing: string }> {
  const asked = process.env.EXUVIA_QEMU;
  if (asked !== undefined) {
    return (await isExecutable(asked))
      ? { binary: asked }
      : { missing: `EXUVIA_QEMU is ${asked}, which is no program.` };
  }
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const binary = join(directory, 'qemu-system-x86_64');
    if (await isExecutable(binary)) return { binary };
  }
  const cache = process.env.EXUVIA_CACHE ?? join(homedir(), '.cache', 'exuvia');
  for await (const binary of glob(`${cache}/*/bin/qemu-system-x86_64`)) {
    if (await isExecutable(binary)) return { binary };
  }
  return {
    missing: 'There is no qemu-system-x86_64 on the PATH or in the cache, and EXUVIA_QEMU is not set.',
  };
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
