import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { listIfExists } from '../files/read.ts';
import { modulesForChain } from './device-chain.ts';
import { type ModuleIndex, readModuleIndex } from './index-files.ts';

/**
 * Names of the modules that kernel `release` needs to reach a block device (`254:1`), for {@link modulesFor}. Devices below (of device
 * mapper and md) are followed as well.
 */
export async function modulesForBlockDevice(release: string, device: string, root = '/'): Promise<string[]> {
  const index = await readModuleIndex(release, root);
  const names = new Set<string>();
  await collect(index, await realpath(join(root, 'sys/dev/block', device)), names);
  return [...names];
}

async function collect(index: ModuleIndex, disk: string, names: Set<string>): Promise<void> {
  for (const name of await modulesForChain(index, disk)) names.add(name);
  for (const below of await listIfExists(join(disk, 'slaves'))) {
    await collect(index, await realpath(join(disk, 'slaves', below)), names);
  }
}
