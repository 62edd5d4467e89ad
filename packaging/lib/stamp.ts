import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './paths.ts';

/** What the package is made from, relative to the workspace. The lock file pins Node and the libraries. */
const INPUTS = ['package.json', 'package-lock.json', 'LICENSE', 'CHANGELOG.md', 'packages', 'packaging'];

/** Changes when the package's content would: a hash over its inputs, the native programs and the options. */
export function inputHash(native: readonly string[], options: unknown): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(options));
  for (const file of [...INPUTS.flatMap((input) => filesBelow(path.join(ROOT, input))), ...native]) {
    hash.update(`\0${path.relative(ROOT, file)}\0`);
    hash.update(createHash('sha256').update(readFileSync(file)).digest());
  }
  return hash.digest('hex');
}

function filesBelow(start: string): string[] {
  const stat = statSync(start, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (stat.isFile()) return isInput(start) ? [start] : [];
  return readdirSync(start)
    .sort()
    .filter((name) => name !== 'node_modules' && name !== 'fixtures' && name !== 'e2e')
    .flatMap((name) => filesBelow(path.join(start, name)));
}

function isInput(file: string): boolean {
  return !file.endsWith('.test.ts') && !file.endsWith('.md');
}
