import { ExuviaError } from '@exuvia/contract';
import { modulesForAlias } from './alias.ts';
import { type ModuleIndex, moduleName, readModuleIndex } from './index-files.ts';
import { type ModuleOptions, readModuleOptions } from './options.ts';

/** A module to load, after all that come before it in the list. */
export interface ModuleFile {
  readonly name: string;
  /** The file as installed, perhaps compressed; see {@link readModule}. */
  readonly path: string;
  /** Parameters as finit_module(2) takes them: `name=value ...`. */
  readonly options: string;
}

/**
 * The files of the given modules and of all that they depend on, in load order and without duplicates.
 * Names may be aliases (`fs-ext4`). What is built into that kernel is left out. Soft dependencies are
 * included where the kernel has them, as modprobe does; options are those of modprobe.d and of the running
 * kernel's command line.
 *
 * @throws ExuviaError `module-missing` when that kernel has neither a file nor a built-in of that name.
 */
export async function modulesFor(release: string, names: readonly string[]): Promise<ModuleFile[]> {
  return resolveModules(await readModuleIndex(release), names, await readModuleOptions());
}

/** Pure part of {@link modulesFor}. */
export function resolveModules(
  index: ModuleIndex,
  names: readonly string[],
  options: ModuleOptions = new Map(),
): ModuleFile[] {
  const order = new Set<string>();
  for (const name of names) {
    const found = lookUp(index, name);
    if (found === null) throw missing(index.release, name);
    for (const one of found) visit(index, one, order, new Set());
  }
  return [...order].flatMap((name): ModuleFile[] => {
    const path = index.paths.get(name);
    return path === undefined ? [] : [{ name, path, options: options.get(name)?.join(' ') ?? '' }];
  });
}

/** Module names for a name or alias; empty when it is built in, `null` when the kernel has no such thing. */
function lookUp(index: ModuleIndex, name: string): readonly string[] | null {
  const own = moduleName(name);
  if (index.paths.has(own)) return [own];
  if (index.builtin.has(own)) return [];
  const byAlias = modulesForAlias(index, name);
  return byAlias.length > 0 ? byAlias : null;
}

/** Adds a module behind its dependencies. `above` breaks cycles, which soft dependencies may form. */
function visit(index: ModuleIndex, name: string, order: Set<string>, above: ReadonlySet<string>): void {
  if (order.has(name) || above.has(name)) return;
  const within = new Set([...above, name]);
  const soft = (list: readonly string[] | undefined) =>
    (list ?? []).flatMap((one) => lookUp(index, one) ?? []);
  for (const one of soft(index.softPre.get(name))) visit(index, one, order, within);
  for (const one of index.dependencies.get(name) ?? []) visit(index, one, order, within);
  order.add(name);
  for (const one of soft(index.softPost.get(name))) visit(index, one, order, within);
}

function missing(release: string, name: string): ExuviaError {
  return new ExuviaError('module-missing', `Kernel ${release} has no module ${name}.`, {
    hint: `Install the complete modules of kernel ${release}, then run \`depmod ${release}\`.`,
  });
}
