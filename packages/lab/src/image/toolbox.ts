import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunResult, run } from '@exuvia/sys';

/** Programs that the lab runs out of the lab host's own root file system: the machine's may be too old. */
const TOOLS = ['qemu-system-x86_64', 'qemu-img', 'qemu-io'] as const;
export type Tool = (typeof TOOLS)[number];

export const OVMF = {
  code: 'root/usr/share/OVMF/OVMF_CODE_4M.fd',
  variables: 'root/usr/share/OVMF/OVMF_VARS_4M.fd',
} as const;

/** Path of a tool in a base folder; an ordinary executable. */
export function toolPath(baseFolder: string, tool: Tool): string {
  return join(baseFolder, 'bin', tool);
}

/**
 * Writes one script a tool, which runs it with the libraries that lie beside it in the root file system.
 * The scripts find the root by their own place, so that the folder can be moved.
 */
export async function writeToolbox(baseFolder: string): Promise<void> {
  await mkdir(join(baseFolder, 'bin'), { recursive: true });
  for (const tool of TOOLS) {
    const path = toolPath(baseFolder, tool);
    await writeFile(path, script(tool));
    await chmod(path, 0o755);
  }
}

/** Runs a program of the base that the machine need not have; `name` is what the program is to be called. */
export function runBaseProgram(
  baseFolder: string,
  { program, name }: { program: string; name: string },
  args: readonly string[],
): Promise<RunResult> {
  const root = join(baseFolder, 'root');
  const loader = join(root, 'usr/lib64/ld-linux-x86-64.so.2');
  const library = join(root, 'usr/lib/x86_64-linux-gnu');
  return run(loader, ['--argv0', name, '--library-path', library, join(root, program), ...args]);
}

/** The libraries of programs of the base, and the loader: paths in its root file system, without a leading slash. */
export async function librariesOf(baseFolder: string, programs: readonly string[]): Promise<string[]> {
  const root = join(baseFolder, 'root');
  const loader = 'usr/lib64/ld-linux-x86-64.so.2';
  const found = new Set([loader]);
  for (const program of programs) {
    const { stdout } = await run(join(root, loader), [
      ...['--library-path', join(root, 'usr/lib/x86_64-linux-gnu')],
      ...['--list', join(root, program)],
    ]);
    for (const [, path = ''] of stdout.matchAll(/=> (\S+) \(/g)) {
      if (path.startsWith(`${root}/`) && !path.includes('ld-linux')) found.add(path.slice(root.length + 1));
    }
  }
  return [...found];
}

function script(tool: Tool): string {
  const data = tool === 'qemu-system-x86_64' ? ' -L "$root/usr/share/qemu" -L "$root/usr/share/seabios"' : '';
  return `#!/bin/sh
root=$(cd "$(dirname "$(readlink -f "$0")")/../root" && pwd) || exit 1
lib=$root/usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="$lib/qemu"
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/${tool}"${data} "$@"
`;
}
