import type { Livepatch } from '@exuvia/contract';
import { builtFor, listIfExists, readModuleIndex } from '@exuvia/sys';

/** /sys/kernel/livepatch has a directory for each (Documentation/livepatch/livepatch.rst of Linux 6.12). */
export async function loadedLivepatches(): Promise<string[]> {
  return listIfExists('/sys/kernel/livepatch');
}

/** What becomes of a loaded livepatch when this kernel takes over. `root` is for tests. */
export async function fateOfLivepatch(
  name: string,
  kernel: string,
  kernelStays: boolean,
  root = '/',
): Promise<Livepatch> {
  if (kernelStays) return { name, carried: true, reason: 'The kernel runs on, and the livepatch with it.' };
  const index = await readModuleIndex(kernel, root).catch(() => null);
  const path = index?.paths.get(name);
  const why = (reason: string): Livepatch => ({
    name,
    carried: false,
    reason: `${reason}: what it mends must be mended in that kernel itself.`,
  });
  if (path === undefined) return why(`There is no module ${name} for kernel ${kernel}`);
  const built = await builtFor(path);
  if (built !== kernel) {
    return why(`${path} is built for ${built ?? 'an unknown kernel'}, not for ${kernel}`);
  }
  return { name, carried: true, reason: `It is built for kernel ${kernel} too, and is loaded there again.` };
}
