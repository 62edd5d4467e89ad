import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './paths.ts';

/** The licence texts of every npm package among the bundled source files (relative to the workspace). */
export function bundledLicenses(inputs: readonly string[]): string {
  const directories = new Set<string>();
  for (const input of inputs) {
    const match = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input);
    if (match !== null) directories.add(match[0]);
  }
  return [...directories]
    .sort()
    .map((directory) => licenseOf(path.join(ROOT, directory)))
    .join('\n');
}

function licenseOf(directory: string): string {
  const about = JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
  };
  const texts = readdirSync(directory)
    .filter((name) => /^(licen[cs]e|notice)/i.test(name))
    .sort()
    .map((name) => readFileSync(path.join(directory, name), 'utf8').trim());
  const title = `${about.name} ${about.version} (${about.license ?? 'see below'})`;
  return `${title}\n${'='.repeat(title.length)}\n\n${texts.join('\n\n')}\n`;
}
