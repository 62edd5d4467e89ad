import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findQemu } from '@exuvia/qemu/testing';
import { CONSOLE_ENTRY, type CpioEntry, cpioArchive, type ModuleFile, readModule, run } from '@exuvia/sys';
import { findGuestKernels, type GuestKernel } from '../../../testing/linux-guest.ts';
import { renderPlan } from '../restore-plan.ts';

const NATIVE = join(import.meta.dirname, '../../../../../../native');
const qemu = await findQemu();

/** The kernels that an early restore can be booted with here, or why none can. */
export async function findEarlyKernels(): Promise<{ kernels: GuestKernel[]; missing: string | null }> {
  if ('missing' in qemu) return { kernels: [], missing: qemu.missing };
  const kernels = await findGuestKernels();
  return { kernels, missing: kernels.length === 0 ? 'The lab has no root file system yet.' : null };
}

/** Builds what becomes process 1, from a source that may use the early restore's own headers. */
export async function compileEarlyInit(source: string, directory: string): Promise<void> {
  const include = ['common', 'early-restore'].flatMap((room) => ['-I', join(NATIVE, room)]);
  await run('cc', ['-O1', '-D_GNU_SOURCE', '-static', ...include, '-o', join(directory, 'init'), source]);
}

export const EARLY_RESTORE_SOURCE = join(NATIVE, 'early-restore/exuvia-early-restore.c');

/** The lines of a plan by which these modules, among its files, are loaded. */
export function moduleLines(group: string, modules: readonly ModuleFile[]): string[] {
  return modules.map(({ name }) => `module ${group} /modules/${name}.ko`);
}

/** What a plan says of a VM that nobody gets as far as to start. */
export const SOME_VM = ['vm tiny', 'ram /r', 'state /s', 'scope s', 'log /l', 'runtime /v', 'arg /q'];

/** Boots `directory`'s init with a plan in an emulated machine; returns the lines of its console when the machine has ended. */
export async function bootEarly(
  { root, release }: GuestKernel,
  directory: string,
  machine: {
    readonly plan: readonly string[];
    readonly modules: readonly ModuleFile[];
    readonly append: string;
    readonly devices: readonly string[];
  },
): Promise<string[]> {
  const modules = await Promise.all(
    machine.modules.map(async ({ name, path }): Promise<CpioEntry> => {
      return { type: 'file', path: `modules/${name}.ko`, data: await readModule(path) };
    }),
  );
  const initrd = join(directory, 'initrd');
  const archive = cpioArchive([
    CONSOLE_ENTRY,
    { type: 'file', path: 'init', mode: 0o755, data: await readFile(join(directory, 'init')) },
    { type: 'file', path: 'plan', data: Buffer.from(renderPlan(machine.plan)) },
    ...modules,
  ]);
  await writeFile(initrd, archive);
  const { stdout } = await run(
    'binary' in qemu ? qemu.binary : '',
    [
      ...['-M', 'q35', '-accel', 'tcg', '-cpu', 'max,erms=off,fsrm=off', '-m', '512', '-no-reboot'],
      ...['-nodefaults', '-display', 'none', '-serial', 'stdio'],
      ...['-kernel', join(root, 'boot', `vmlinuz-${release}`), '-initrd', initrd],
      ...['-append', `console=ttyS0 panic=-1 ${machine.append}`],
      ...machine.devices,
    ],
    { timeoutMs: 120_000 },
  );
  return stdout.replaceAll('\r', '').split('\n');
}
