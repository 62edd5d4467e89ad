import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One archive that apt takes packages from. */
export interface AptSource {
  /** Without a slash at its end. */
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** As written; empty: any key that apt trusts. */
  readonly signedBy: string;
}

/** All archives of this machine's apt, in the order of its files (sources.list(5)); none on a machine without apt. */
export async function aptSources(folder = '/etc/apt'): Promise<AptSource[]> {
  const texts = await Promise.all((await sourceFiles(folder)).map((path) => readFile(path, 'utf8')));
  return texts.flatMap(parseAptSources);
}

/** The archives of a file in either format. */
export function parseAptSources(text: string): AptSource[] {
  return [...oneLineSources(text), ...deb822Sources(text)];
}

/** `URI SUITE` of each, once, without passwords. */
export function namesOfSources(sources: readonly AptSource[]): string[] {
  const names = sources.flatMap(({ uri, suites }) =>
    suites.map((suite) => `${uri.replace(/^([a-z+]+:\/\/)[^/@]*@/i, '$1')} ${suite}`),
  );
  return [...new Set(names)];
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
function oneLineSources(text: string): AptSource[] {
  const lines = text.matchAll(/^[ \t]*deb[ \t]+(?:\[([^\]]*)\][ \t]+)?(\S+:\/\S+)[ \t]+(\S+)([^#\n]*)/gm);
  return [...lines].map(([, options = '', uri = '', suite = '', components = '']) => ({
    uri: uri.replace(/\/+$/, ''),
    suites: [suite],
    components: wordsOf(components),
    signedBy: /signed-by=(\S+)/.exec(options)?.[1] ?? '',
  }));
}

/** Stanzas of fields such as `URIs: URI URI`, but for those that are switched off by `Enabled: no`. */
function deb822Sources(text: string): AptSource[] {
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
