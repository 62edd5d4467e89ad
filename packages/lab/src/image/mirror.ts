import { type AptSource, aptSources } from '@exuvia/sys';

/** Where Debian packages come from. */
export interface Mirror {
  readonly debian: string;
  readonly security: string;
}

const DEFAULT_MIRROR: Mirror = {
  debian: 'http://deb.debian.org/debian',
  security: 'http://deb.debian.org/debian-security',
};

/** The mirrors that this machine's own apt uses; Debian's own where it names none. */
export async function machineMirror(folder = '/etc/apt'): Promise<Mirror> {
  return mirrorAmong(await aptSources(folder));
}

/** The first Debian and the first Debian security archive. */
export function mirrorAmong(sources: readonly AptSource[]): Mirror {
  const debian = sources.filter(isDebian);
  // One that is signed with Debian's keys, or with apt's own, before one that is signed with others.
  const found = debian.find(({ signedBy }) => signedBy === '' || DEBIAN_KEYS.test(signedBy)) ?? debian[0];
  return {
    debian: found?.uri ?? DEFAULT_MIRROR.debian,
    security: sources.find(({ uri }) => /\/debian-security$/.test(uri))?.uri ?? DEFAULT_MIRROR.security,
  };
}

const DEBIAN_KEYS = /debian-archive/;
const DEBIAN_SUITE =
  /^(stretch|buster|bullseye|bookworm|trixie|forky|duke|sid|(old){0,2}stable|testing|unstable)(-(updates|backports|proposed-updates))?$/;
/** Hosts of archives that are none of Debian's, though their path, suites and components are called as there. */
const THIRD_PARTIES =
  /\/\/([^/]*\.)?(cloudsmith\.io|docker\.com|gitlab\.com|influxdata\.com|microsoft\.com|mysql\.com|nodesource\.com|packagecloud\.io|tailscale\.com|virtualbox\.org|zabbix\.com)\//i;

/** Other archives end in `/debian` too (docker's, caddy's): what they offer says whose they are. */
function isDebian({ uri, suites, components }: AptSource): boolean {
  return (
    /\/debian$/.test(uri) &&
    !THIRD_PARTIES.test(uri) &&
    suites.some((suite) => DEBIAN_SUITE.test(suite)) &&
    components.includes('main')
  );
}

/** An archive's suite, such as `trixie-security` of the security archive. */
export type Suite = readonly [archive: keyof Mirror, suite: string];

/** The lab host's suites. */
const TRIXIE: readonly Suite[] = [
  ['debian', 'trixie'],
  ['debian', 'trixie-updates'],
  ['security', 'trixie-security'],
  ['debian', 'trixie-backports'],
];

/** sources.list lines of suites. `keyring` is a file that apt checks signatures with. */
export function sourceLines(mirror: Mirror, keyring: string, suites: readonly Suite[] = TRIXIE): string[] {
  return suites.map(([archive, suite]) => `deb [signed-by=${keyring}] ${mirror[archive]} ${suite} main`);
}
