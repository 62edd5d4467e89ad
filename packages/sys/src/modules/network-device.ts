import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { modulesForChain } from './device-chain.ts';
import { readModuleIndex } from './index-files.ts';

/** Names of the modules that kernel `release` needs for a NIC of the host (`eth0`), for {@link modulesFor}. */
export async function modulesForNetworkDevice(release: string, name: string, root = '/'): Promise<string[]> {
  const index = await readModuleIndex(release, root);
  return modulesForChain(index, await realpath(join(root, 'sys/class/net', name)));
}
