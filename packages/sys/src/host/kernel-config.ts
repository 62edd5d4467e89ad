import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { isErrno } from '../files/errno.ts';
import { readIfExists } from '../files/read.ts';
import { madeOfFiles } from '../files/unchanged.ts';
import { kernelRelease } from './machine.ts';

/** Options of a kernel build without their CONFIG_ prefix: `y`, `m`, or the value as written. */
export type KernelConfig = ReadonlyMap<string, string>;

const configOf = madeOfFiles<KernelConfig | null>();

/**
 * The configuration that a kernel was built with: /boot/config-RELEASE, the copy among its modules, or, for
 * the running kernel, /proc/config.gz. `null` when none of them exists.
 */
export async function kernelConfig(release: string): Promise<KernelConfig | null> {
  const files = [join('/boot', `config-${release}`), join('/lib/modules', release, 'config')];
  return configOf(release, files, async () => {
    const [boot, modules] = await Promise.all(files.map(readIfExists));
    const text = boot ?? modules ?? (release === kernelRelease() ? await runningConfig() : null);
    return text === null ? null : parseKernelConfig(text);
  });
}

export function parseKernelConfig(text: string): KernelConfig {
  const options = new Map<string, string>();
  for (const match of text.matchAll(/^CONFIG_([A-Za-z0-9_]+)=(.*)$/gm)) {
    if (match[1] !== undefined && match[2] !== undefined) options.set(match[1], match[2]);
  }
  return options;
}

async function runningConfig(): Promise<string | null> {
  try {
    return (await promisify(gunzip)(await readFile('/proc/config.gz'))).toString('utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}
