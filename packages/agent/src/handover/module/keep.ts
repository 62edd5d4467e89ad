import { copyFile, mkdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileBuildId, kernelRelease, loadedBuildId, readModuleIndex } from '@exuvia/sys';
import { KEPT_MODULES, keptModule } from './reload.ts';

/**
 * Keeps a copy of each module that is loaded as its file has it: a package that is upgraded replaces the file, and
 * without the copy there would be no way back from a new one that does not load.
 */
export async function keepLoadedModules(names: readonly string[], folder = KEPT_MODULES): Promise<void> {
  const index = await readModuleIndex(kernelRelease());
  const directory = join(folder, kernelRelease());
  for (const name of names) {
    const path = index.paths.get(name);
    const loaded = await loadedBuildId(name);
    if (path === undefined || loaded === null || (await fileBuildId(path)) !== loaded) continue;
    const kept = await keptModule(name, folder);
    if (kept !== null && (await fileBuildId(kept)) === loaded) continue;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const copy = join(directory, basename(path).replaceAll('-', '_'));
    await copyFile(path, `${copy}.tmp`);
    await rename(`${copy}.tmp`, copy);
  }
}
