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
  const uris = texts.flatMap((text) => [...oneLineUris(text), ...deb822Uris(text)]);
  const trimmed = uris.map((uri) => uri.replace(/\/+$/, ''));
  return {
    debian: trimmed.find((uri) => /\/debian$/.test(uri)) ?? DEFAULT_MIRROR.debian,
    security: trimmed.find((uri) => /\/debian-security$/.test(uri)) ?? DEFAULT_MIRROR.security,
  };
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
function oneLineUris(text: string): string[] {
  const lines = text.matchAll(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+:\/\S+)/gm);
  return [...lines].map((match) => match[1] ?? '');
}

/** `URIs: URI URI`, in stanzas that are not switched off by `Enabled: no`. */
function deb822Uris(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .filter((stanza) => !/^Enabled:\s*no\s*$/im.test(stanza))
    .flatMap((stanza) => /^URIs:\s*(.+)$/im.exec(stanza)?.[1]?.split(/\s+/) ?? []);
}
