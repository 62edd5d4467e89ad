import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

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
  const texts: string[] = [];
  for (const path of await sourceFiles(folder)) texts.push(await readFile(path, 'utf8'));
  return mirrorOf(texts);
}

/** Finds the first Debian and Debian security archive in apt sources of either format. */
export function mirrorOf(texts: readonly string[]): Mirror {
  const sources = texts.flatMap((text) => [...oneLineSources(text), ...deb822Sources(text)]);
  const debian = sources.filter(isDebian);
  // One that is signed with Debian's keys, or with apt's own, before one that is signed with others.
  const found = debian.find(({ signedBy }) => signedBy === '' || DEBIAN_KEYS.test(signedBy)) ?? debian[0];
  return {
    debian: found?.uri ?? DEFAULT_MIRROR.debian,
    security: sources.find(({ uri }) => /\/debian-security$/.test(uri))?.uri ?? DEFAULT_MIRROR.security,
  };
}

/** One archive of an apt source. */
interface Source {
  /** Without a slash at its end. */
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** As written; empty: any key that apt trusts. */
  readonly signedBy: string;
}

const DEBIAN_KEYS = /debian-archive/;
const DEBIAN_SUITE =
  /^(stretch|buster|bullseye|bookworm|trixie|forky|duke|sid|(old){0,2}stable|testing|unstable)(-(updates|backports|proposed-updates))?$/;
/** Hosts of archives that are none of Debian's, though their path, suites and components are called as there. */
const THIRD_PARTIES =
  /\/\/([^/]*\.)?(cloudsmith\.io|docker\.com|gitlab\.com|influxdata\.com|microsoft\.com|mysql\.com|nodesource\.com|packagecloud\.io|tailscale\.com|virtualbox\.org|zabbix\.com)\//i;

/** Other archives end in `/debian` too (docker's, caddy's): what they offer says whose they are. */
function isDebian({ uri, suites, components }: Source): boolean {
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

async function sourceFiles(folder: string): Promise<string[]> {
  const parts = await readdir(join(folder, 'sources.list.d')).catch(() => []);
  const main = await readFile(join(folder, 'sources.list'), 'utf8').then(
    () => [join(folder, 'sources.list')],
    () => [],
  );
  const more = parts.filter((name) => /\.(list|sources)$/.test(name)).sort();
  return [...main, ...more.map((name) => join(folder, 'sources.list.d', name))];
}

/** `deb [options] URI suite components` */
function oneLineSources(text: string): Source[] {
  const lines = text.matchAll(/^[ \t]*deb[ \t]+(?:\[([^\]]*)\][ \t]+)?(\S+:\/\S+)[ \t]+(\S+)([^#\n]*)/gm);
  return [...lines].map(([, options = '', uri = '', suite = '', components = '']) => ({
    uri: uri.replace(/\/+$/, ''),
    suites: [suite],
    components: wordsOf(components),
    signedBy: /signed-by=(\S+)/.exec(options)?.[1] ?? '',
  }));
}

/** Stanzas of fields such as `URIs: URI URI`, but for those that are switched off by `Enabled: no`. */
function deb822Sources(text: string): Source[] {
  const stanzas = text
    .replace(/^#.*\n/gm, '')
    .split(/\n\s*\n/)
    .filter((stanza) => !/^Enabled:\s*no\s*$/im.test(stanza));
  return stanzas.flatMap((stanza) => {
    // A field goes on in lines that begin with a blank.
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t]+.*)*)`, 'im').exec(stanza)?.[1] ?? '';
    if (!wordsOf(field('Types')).includes('deb')) return [];
    return wordsOf(field('URIs')).map((uri) => ({
      uri: uri.replace(/\/+$/, ''),
      suites: wordsOf(field('Suites')),
      components: wordsOf(field('Components')),
      signedBy: field('Signed-By').trim(),
    }));
  });
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
