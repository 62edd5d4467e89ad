import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { listIfExists, readIfExists, readLinkIfExists } from '../files/read.ts';
import { modulesForAlias } from './alias.ts';
import { type ModuleIndex, moduleName, readModuleIndex } from './index-files.ts';

/**
 * Names of the modules that kernel `release` needs to reach a block device (`254:1`), for {@link modulesFor}.
 *
 * Every device between the disk and the root of the device tree is asked twice: by its modalias, which the
 * target kernel's own index resolves (drivers may have moved between kernels), and by the driver that serves
 * it now. Devices below (of device mapper and md) are followed as well.
 */
export async function modulesForBlockDevice(release: string, device: string, root = '/'): Promise<string[]> {
  const index = await readModuleIndex(release, root);
  const names = new Set<string>();
  await collect(index, await realpath(join(root, 'sys/dev/block', device)), names);
  return [...names];
}

async function collect(index: ModuleIndex, disk: string, names: Set<string>): Promise<void> {
  const chain: string[] = [];
  for (let path = disk; path.includes('/sys/devices/'); path = dirname(path)) chain.unshift(path);
  for (const path of chain) {
    const alias = (await readIfExists(join(path, 'modalias')))?.trim();
    if (alias) for (const name of modulesForAlias(index, alias)) names.add(name);
    const driver = await moduleOfDriver(path);
    if (driver !== null && (index.paths.has(driver) || index.builtin.has(driver))) names.add(driver);
  }
  for (const below of await listIfExists(join(disk, 'slaves'))) {
    await collect(index, await realpath(join(disk, 'slaves', below)), names);
  }
}

/** The module of the driver that serves a device now; for a built-in driver its name, often the same. */
async function moduleOfDriver(device: string): Promise<string | null> {
  const target =
    (await readLinkIfExists(join(device, 'driver/module'))) ??
    (await readLinkIfExists(join(device, 'driver')));
  return target === null ? null : moduleName(target);
}
