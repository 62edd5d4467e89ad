import { join } from 'node:path';
import { listIfExists, readIfExists } from '../files/read.ts';
import { kernelCommandLine } from '../host/machine.ts';
import { splitCommandLine } from '../kernel/command-line.ts';
import { moduleName } from './index-files.ts';

/** Parameters by module name. */
export type ModuleOptions = ReadonlyMap<string, readonly string[]>;

/** Where modprobe looks, the strongest last; a file hides files of the same name in weaker folders. */
const FOLDERS = [
  '/usr/lib/modprobe.d',
  '/lib/modprobe.d',
  '/usr/local/lib/modprobe.d',
  '/run/modprobe.d',
  '/etc/modprobe.d',
];

/**
 * The parameters that modprobe would give: `options` lines of modprobe.d, then `module.parameter=value` of
 * the kernel command line (which the kernel itself applies to built-in modules only).
 */
export async function readModuleOptions(): Promise<ModuleOptions> {
  const files = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const name of await listIfExists(folder)) {
      if (name.endsWith('.conf')) files.set(name, join(folder, name));
    }
  }
  const texts = await Promise.all([...files.entries()].sort().map(([, path]) => readIfExists(path)));
  return parseModuleOptions(texts.map((text) => text ?? '').join('\n'), await kernelCommandLine());
}

export function parseModuleOptions(configuration: string, commandLine: string): ModuleOptions {
  const options = new Map<string, string[]>();
  const add = (name: string, values: readonly string[]) =>
    options.set(moduleName(name), [...(options.get(moduleName(name)) ?? []), ...values]);
  for (const line of configuration.replaceAll('\\\n', ' ').split('\n')) {
    const [keyword, name, ...values] = line.trim().split(/\s+/);
    if (keyword === 'options' && name !== undefined && values.length > 0) add(name, values);
  }
  for (const argument of splitCommandLine(commandLine)) {
    const match = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+(=.*)?)$/.exec(argument);
    if (match?.[1] !== undefined && match[2] !== undefined) add(match[1], [match[2]]);
  }
  return options;
}
