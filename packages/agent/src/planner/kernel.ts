import { ExuviaError } from '@exuvia/contract';
import { compareReleases } from '@exuvia/sys';

/**
 * The installed kernel that a request such as `7.2` means: the very release, or else the newest one that
 * begins with it at the end of a number (`7.2` is not `7.20`). Of several flavours of one version it is that
 * of the running kernel. `null` when there is none. Pure.
 */
export function chooseKernel(
  requested: string,
  installed: readonly string[],
  running: string,
): string | null {
  if (installed.includes(requested)) return requested;
  const matches = installed.filter((release) => beginsWith(release, requested)).sort(compareReleases);
  const newest = matches.at(-1);
  if (newest === undefined) return null;
  const sameVersion = matches.filter((release) => versionOf(release) === versionOf(newest));
  return sameVersion.find((release) => flavourOf(release) === flavourOf(running)) ?? newest;
}

/** `cloud-amd64` and `amd64` are two flavours. Pure. */
export function sameFlavour(a: string, b: string): boolean {
  return flavourOf(a) === flavourOf(b);
}

/** The Debian package that brings such a kernel, from the names that apt knows. `null` without one. Pure. */
export function choosePackage(
  requested: string,
  packages: readonly string[],
  running: string,
): string | null {
  const releases = packages
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => name.slice(PREFIX.length))
    .filter((release) => /^[0-9]/.test(release) && !/-(dbg|unsigned)$/.test(release));
  const release = chooseKernel(requested, releases, running);
  return release === null ? null : PREFIX + release;
}

const PREFIX = 'linux-image-';

/** The refusal of a kernel that is not installed. */
export function kernelUnknown(
  requested: string,
  installed: readonly string[],
  aptLine: string | null,
): ExuviaError {
  const names = installed.length === 0 ? 'none' : installed.join(', ');
  return new ExuviaError(
    'kernel-unknown',
    `No kernel ${requested} is installed on this host. Installed: ${names}.`,
    {
      hint:
        aptLine === null
          ? 'apt knows no package with this kernel either: check the release, or the sources of apt.'
          : `Install it: ${aptLine}`,
    },
  );
}

function beginsWith(release: string, prefix: string): boolean {
  if (!release.startsWith(prefix)) return false;
  return !(/[0-9]$/.test(prefix) && /^[0-9]/.test(release.slice(prefix.length)));
}

/** `cloud-amd64` in `7.2.12+deb13-cloud-amd64` and `6.1.0-25-cloud-amd64`. */
function flavourOf(release: string): string {
  return /-((?:[a-z]+-)*[a-z]+[a-z0-9]*)$/.exec(release)?.[1] ?? '';
}

function versionOf(release: string): string {
  return release.slice(0, release.length - flavourOf(release).length);
}
