import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { listIfExists, readIfExists } from '../files/read.ts';
import type { MemoryRange } from '../memory/range.ts';

/**
 * Addresses that belong to NVDIMMs, whatever has become of them: namespaces of every mode, disabled ones, and
 * space without any. Only a plain /dev/pmemN shows as a device; a region shows always. `root` is for tests.
 */
export async function nvdimmRegions(root = '/'): Promise<MemoryRange[]> {
  const bus = join(root, 'sys/bus/nd/devices');
  const names = (await listIfExists(bus)).filter((name) => /^region[0-9]+$/.test(name));
  const regions = await Promise.all(names.map((name) => readRegion(`${bus}/${name}`)));
  const found = regions.filter((region) => region !== null);
  if (found.length > 0 || !(await exists(join(root, 'sys/firmware/acpi/tables/NFIT')))) return found;
  // ACPI describes NVDIMMs, but no driver has taken them: any address may be theirs.
  return [{ start: 0, end: Number.MAX_SAFE_INTEGER }];
}

/** `null` for emulated persistent memory, and for a region without addresses. */
async function readRegion(directory: string): Promise<MemoryRange | null> {
  const read = async (file: string) => (await readIfExists(`${directory}/${file}`))?.trim() ?? '';
  // region0 -> ndbus0. Not join(): the region is a symbolic link.
  const [resource, size, provider] = await Promise.all([read('resource'), read('size'), read('../provider')]);
  if (provider === 'e820' || !resource.startsWith('0x')) return null;
  return { start: Number(resource), end: Number(resource) + Number(size) };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
