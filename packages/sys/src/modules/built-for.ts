import { elfSection } from './build-id.ts';
import { readModule } from './read.ts';

const MAGIC = 'vermagic=';

/**
 * The release of the kernel that a module's file (perhaps compressed) is built for: the first word of its version magic
 * (Linux 6.12, include/linux/vermagic.h). `null` when it has none, or is no module.
 */
export async function builtFor(path: string): Promise<string | null> {
  const section = async () => elfSection(Buffer.from(await readModule(path)), '.modinfo');
  const info = await section().catch(() => null);
  const magic = info
    ?.toString('latin1')
    .split('\0')
    .find((entry) => entry.startsWith(MAGIC));
  return magic?.slice(MAGIC.length).split(' ')[0] ?? null;
}
