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
