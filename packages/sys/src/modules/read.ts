import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { runForBytes } from '../process/run.ts';

/**
 * A module's ELF image, decompressed: an initramfs with plain modules needs no decompressor and, being read
 * from memory, loads faster.
 */
export async function readModule(path: string): Promise<Buffer> {
  // Node has no xz decoder; xz-utils is on every Debian system (dpkg depends on it).
  if (path.endsWith('.xz')) return Buffer.from(await runForBytes('xz', ['-dc', path]));
  const bytes = await readFile(path);
  if (path.endsWith('.zst')) return promisify(zstdDecompress)(bytes);
  if (path.endsWith('.gz')) return promisify(gunzip)(bytes);
  return bytes;
}
