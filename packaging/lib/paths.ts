import { readFileSync } from 'node:fs';
import path from 'node:path';

/** Where the build finds and leaves things; all absolute. */
export const ROOT = path.resolve(import.meta.dirname, '../..');
export const BUILD = path.join(ROOT, 'build');
export const PACKAGING = path.join(ROOT, 'packaging');

/** The workspace's version, which is the package's too. */
export function version(): string {
  const text = readFileSync(path.join(ROOT, 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}

export function debFile(): string {
  return path.join(BUILD, `exuvia_${version()}_amd64.deb`);
}
