import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

const COMPLETE = '.complete';
/** Pieces of one kind that are kept: the one in use, and one to switch back to. */
const KEPT = 2;

/** What this process is building, by folder. */
const building = new Map<string, Promise<void>>();

/** The folder of everything that is built once and used again: $EXUVIA_CACHE, else ~/.cache/exuvia. */
export function cacheFolder(): string {
  return process.env.EXUVIA_CACHE ?? join(homedir(), '.cache', 'exuvia');
}

/**
 * A folder that `build` fills exactly once for a key: a later call with the same key returns it as it is.
 * A build that fails or is killed leaves nothing that is ever taken for complete. Older pieces of the same
 * kind are removed, the last {@link KEPT} excepted.
 */
export async function cached(
  kind: string,
  key: string,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder(), `${kind}-${key}`);
  if (existsSync(join(folder, COMPLETE))) {
    const now = new Date();
    await utimes(folder, now, now);
    return folder;
  }
  const running = building.get(folder) ?? buildPiece(kind, folder, build);
  building.set(folder, running);
  await running.finally(() => building.delete(folder));
  return folder;
}

/** True when {@link cached} would return this piece without building it. */
export function isCached(kind: string, key: string): boolean {
  return existsSync(join(cacheFolder(), `${kind}-${key}`, COMPLETE));
}

/** True when a piece of that kind has been built before, whatever it was made of. */
export async function wasEverCached(kind: string): Promise<boolean> {
  const pieces = await readdir(cacheFolder()).catch(() => []);
  return pieces.some((name) => name.startsWith(`${kind}-`));
}

/** A short key from everything that a piece is made of. Objects count by their JSON. */
export function keyOf(...parts: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${typeof part === 'string' ? part : JSON.stringify(part)}\0`);
  return shorten(hash);
}

/** The key of files' contents, in the order given. */
export async function keyOfFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    hash.update('\0');
  }
  return shorten(hash);
}

async function buildPiece(
  kind: string,
  folder: string,
  build: (folder: string) => Promise<void>,
): Promise<void> {
  const unfinished = `${folder}.${process.pid}.unfinished`;
  await removeUnfinished(kind);
  await mkdir(unfinished, { recursive: true });
  try {
    await build(unfinished);
    await writeFile(join(unfinished, COMPLETE), '');
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
  await removeOld(kind, folder);
}

function shorten(hash: Hash): string {
  return hash.digest('hex').slice(0, 12);
}

async function removeUnfinished(kind: string): Promise<void> {
  for (const name of await entries(kind)) {
    const pid = /\.([0-9]+)\.unfinished$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      await rm(join(cacheFolder(), name), { recursive: true, force: true });
    }
  }
}

async function removeOld(kind: string, current: string): Promise<void> {
  const complete: { path: string; usedAt: number }[] = [];
  for (const name of await entries(kind)) {
    const path = join(cacheFolder(), name);
    if (path === current || !existsSync(join(path, COMPLETE))) continue;
    complete.push({ path, usedAt: (await stat(path)).mtimeMs });
  }
  complete.sort((a, b) => b.usedAt - a.usedAt);
  for (const { path } of complete.slice(KEPT - 1)) await rm(path, { recursive: true, force: true });
}

async function entries(kind: string): Promise<string[]> {
  const names = await readdir(cacheFolder()).catch(() => []);
  return names.filter(
    (name) => name.startsWith(`${kind}-`) && /^[0-9a-f]{12}/.test(name.slice(kind.length + 1)),
  );
}
