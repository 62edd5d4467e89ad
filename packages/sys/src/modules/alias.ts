import type { ModuleIndex } from './index-files.ts';

/** The modules whose alias patterns match, for example `pci:v00001AF4d00001042...`, without duplicates. */
export function modulesForAlias(index: ModuleIndex, alias: string): string[] {
  const names = index.aliases.filter(([pattern]) => matches(pattern, alias)).map(([, name]) => name);
  return [...new Set(names)];
}

/** Shell patterns as depmod writes them: `*`, `?` and `[...]`. */
function matches(pattern: string, alias: string): boolean {
  // A kernel has some twenty thousand patterns: the literal beginning rules out nearly all of them.
  const wildcard = pattern.search(/[*?[]/);
  if (wildcard === -1) return sameName(pattern) === sameName(alias);
  if (!alias.startsWith(pattern.slice(0, wildcard))) return false;
  const expression = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`).test(alias);
}

/** In module names, and so in aliases without wildcards, hyphens and underscores are the same. */
function sameName(text: string): string {
  return text.replaceAll('-', '_');
}
