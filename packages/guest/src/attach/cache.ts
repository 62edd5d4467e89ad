import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { GuestError } from '../errors.ts';
import type { KernelImage } from '../locate/image.ts';
import { buildIdIn } from '../locate/notes.ts';
import { decodeTables, encodeTables } from './cache-format.ts';
import type { KernelTables } from './tables.ts';

/** So many kernels are kept, 20 MB each: guests may show any number of them. */
const MAX_FILES = 16;
const MAX_FILE_BYTES = 256 * 2 ** 20;

/** A kernel's file is named after its build id and where in the image that is to be found. */
const FILE = /^([0-9a-f]{16,128})-([0-9a-f]{1,8})-([0-9a-f]{1,4})\.tables$/;

/** $XDG_CACHE_HOME, for root /var/cache, else ~/.cache. */
export function defaultCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME || (process.getuid?.() === 0 ? '/var/cache' : join(homedir(), '.cache'));
  return join(base, 'exuvia', 'guest');
}

/** The tables of the kernel with this image, if they were stored before. A folder that others may write to is not used. */
export function loadTables(folder: string, image: KernelImage): KernelTables | null {
  if (!isOurs(folder)) return null;
  const part = (offset: number, size: number) => image.space.read(image.base + BigInt(offset), size);
  for (const name of readdirSync(folder)) {
    const [, buildId, offset, size] = FILE.exec(name) ?? [];
    if (offset === undefined || size === undefined) continue;
    try {
      if (buildIdIn(part(Number.parseInt(offset, 16), Number.parseInt(size, 16))) !== buildId) continue;
      const path = join(folder, name);
      if (statSync(path).size > MAX_FILE_BYTES) continue;
      const tables = decodeTables(readFileSync(path), image.base, part);
      if (tables === null) continue;
      // What is used stays.
      utimesSync(path, new Date(), new Date());
      return tables;
    } catch (error) {
      // This guest has no such place, or the file went away.
      if (!(error instanceof GuestError) && !isSystemError(error)) throw error;
    }
  }
  return null;
}

/** Stores tables for the next time; false when the folder cannot be written to, or others may write to it. */
export function storeTables(folder: string, tables: KernelTables): boolean {
  const { offset, size } = tables.layout.notes;
  const name = `${tables.buildId}-${offset.toString(16)}-${size.toString(16)}.tables`;
  if (!FILE.test(name)) return false;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!isOurs(folder)) return false;
    replaceFile(join(folder, name), encodeTables(tables));
    removeOldest(folder);
    return true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

/** Readers see all of it or nothing. Without waiting for the disk: what a power failure damages is made anew. */
function replaceFile(path: string, content: Buffer): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function removeOldest(folder: string): void {
  const files = readdirSync(folder)
    .filter((name) => FILE.test(name))
    .map((name) => ({ path: join(folder, name), usedMs: statSync(join(folder, name)).mtimeMs }))
    .toSorted((a, b) => b.usedMs - a.usedMs);
  for (const { path } of files.slice(MAX_FILES)) rmSync(path, { force: true });
}

/** What is cached decides where a guest is written to: nobody else may have put it there. */
function isOurs(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
