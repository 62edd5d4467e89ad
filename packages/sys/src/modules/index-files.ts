import { join } from 'node:path';
import { readIfExists } from '../files/read.ts';
import { madeOfFiles } from '../files/unchanged.ts';

/** What depmod wrote about the modules of one kernel. Names have underscores, never hyphens. */
export interface ModuleIndex {
  readonly release: string;
  /** Absolute path by module name. */
  readonly paths: ReadonlyMap<string, string>;
  /** Names of the modules that must be loaded before, the farthest first. */
  readonly dependencies: ReadonlyMap<string, readonly string[]>;
  readonly softPre: ReadonlyMap<string, readonly string[]>;
  readonly softPost: ReadonlyMap<string, readonly string[]>;
  /** Modules that are part of the kernel image. */
  readonly builtin: ReadonlySet<string>;
  /** Patterns of device and other aliases with the module that serves them. */
  readonly aliases: readonly (readonly [pattern: string, module: string])[];
}

const INDEX_FILES = ['modules.dep', 'modules.softdep', 'modules.builtin', 'modules.alias'] as const;
const indexOf = madeOfFiles<ModuleIndex>();

/** Reads depmod's text indexes of an installed kernel, once while they stay what they are. `root` is for tests. */
export async function readModuleIndex(release: string, root = '/'): Promise<ModuleIndex> {
  const base = join(root, 'lib/modules', release);
  const files = INDEX_FILES.map((name) => join(base, name));
  return indexOf(base, files, async () => {
    const texts = await Promise.all(files.map(readIfExists));
    const [dep = '', softdep = '', builtin = '', alias = ''] = texts.map((text) => text ?? '');
    const soft = parseSoftDependencies(softdep);
    return {
      release,
      ...parseDependencies(dep, base),
      softPre: soft.pre,
      softPost: soft.post,
      builtin: new Set(lines(builtin).map(moduleName)),
      aliases: parseAliases(alias),
    };
  });
}

/** A module's name as the kernel says it: without folder, `.ko` and compression, with underscores. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1);
  return file.replace(/\.ko(\.(xz|zst|gz))?$/, '').replaceAll('-', '_');
}

/** `a.ko.xz: b.ko.xz c.ko.xz`: a needs c, then b (depmod writes the nearest first). */
function parseDependencies(text: string, base: string) {
  const paths = new Map<string, string>();
  const dependencies = new Map<string, readonly string[]>();
  for (const line of lines(text)) {
    const [path = '', needed = ''] = line.split(':', 2);
    const name = moduleName(path);
    paths.set(name, join(base, path));
    dependencies.set(name, words(needed).map(moduleName).reverse());
  }
  return { paths, dependencies };
}

/** `softdep NAME pre: a b post: c`; words in front of `pre:` and `post:` mean nothing (as in kmod). */
function parseSoftDependencies(text: string) {
  const pre = new Map<string, string[]>();
  const post = new Map<string, string[]>();
  for (const line of lines(text)) {
    const [keyword, name = '', ...rest] = words(line);
    if (keyword !== 'softdep') continue;
    let list: Map<string, string[]> | null = null;
    for (const word of rest) {
      if (word === 'pre:') list = pre;
      else if (word === 'post:') list = post;
      else list?.set(moduleName(name), [...(list.get(moduleName(name)) ?? []), word]);
    }
  }
  return { pre, post };
}

function parseAliases(text: string): [string, string][] {
  return lines(text).flatMap((line): [string, string][] => {
    const [keyword, pattern, name] = words(line);
    return keyword === 'alias' && pattern && name ? [[pattern, moduleName(name)]] : [];
  });
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
