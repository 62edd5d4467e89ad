import { run } from '../process/run.ts';

/**
 * Versions of installed Debian packages by name; packages that are not installed are left out. An empty
 * record on a machine without dpkg. Names may be globs (`linux-image-*`).
 */
export async function packageVersions(names: readonly string[]): Promise<Record<string, string>> {
  if (names.length === 0) return {};
  const format = '$' + '{Package} $' + '{Version} $' + '{db:Status-Status}\n';
  const { stdout } = await run('dpkg-query', ['-W', `-f=${format}`, '--', ...names], {
    allowFailure: true,
  }).catch(() => ({ stdout: '' }));
  return parsePackageVersions(stdout);
}

export function parsePackageVersions(output: string): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const line of output.split('\n')) {
    const [name, version, status] = line.split(' ');
    if (name && version && status === 'installed') versions[name] = version;
  }
  return versions;
}

/**
 * Where apt takes packages from: `URI SUITE`, each once, without passwords. Empty on a machine without apt
 * (apt-get(8), indextargets).
 */
export async function packageSources(): Promise<string[]> {
  const format = '$' + '(REPO_URI) $' + '(RELEASE)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Identifier: Packages'], {
    allowFailure: true,
  }).catch(() => ({ stdout: '' }));
  return parsePackageSources(stdout);
}

export function parsePackageSources(output: string): string[] {
  const lines = output.split('\n').filter((line) => line !== '');
  return [...new Set(lines.map((line) => line.replace(/^([a-z+]+:\/\/)[^/@\s]*@/, '$1')))];
}
