import { join } from 'node:path';
import { readIfExists, readLinkIfExists } from '../files/read.ts';
import { modulesForAlias } from './alias.ts';
import { type ModuleIndex, moduleName } from './index-files.ts';

/**
 * Names of the modules for a device of sysfs (`/sys/devices/...`) and for every one above it, up to the root of the device tree.
 *
 * Each is asked twice: by its modalias, which the target kernel's own index resolves (drivers may have moved between
 * kernels), and by the driver that serves it now.
 */
export async function modulesForChain(index: ModuleIndex, device: string): Promise<string[]> {
  const names = new Set<string>();
  const chain: string[] = [];
  for (let path = device; path.includes('/sys/devices/'); path = join(path, '..')) chain.unshift(path);
  for (const path of chain) {
    const alias = (await readIfExists(join(path, 'modalias')))?.trim();
    if (alias) for (const name of modulesForAlias(index, alias)) names.add(name);
    const driver = await moduleOfDriver(path);
    if (driver !== null && (index.paths.has(driver) || index.builtin.has(driver))) names.add(driver);
  }
  return [...names];
}

/** The module of the driver that serves a device now; for a built-in driver its name, often the same. */
async function moduleOfDriver(device: string): Promise<string | null> {
  const target =
    (await readLinkIfExists(join(device, 'driver/module'))) ??
    (await readLinkIfExists(join(device, 'driver')));
  return target === null ? null : moduleName(target);
}
