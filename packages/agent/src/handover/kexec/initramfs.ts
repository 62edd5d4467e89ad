import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { ExuviaError, HOST_PATHS } from '@exuvia/contract';
import { CONSOLE_ENTRY, type CpioEntry, cpioArchive, kernelConfig, readModule, run } from '@exuvia/sys';
import type { EarlyNeeds } from './needs.ts';
import { type RestorePlan, renderRestorePlan } from './restore-plan.ts';

const INIT = `${HOST_PATHS.native}/exuvia-early-restore`;

/** Path of a module inside the initramfs. */
export function earlyModuleFile(name: string): string {
  return `/modules/${name}.ko`;
}

/**
 * Builds the initramfs with which kernel `release` restores VMs: exuvia-early-restore, its plan, and the modules that
 * the VMs need.
 *
 * Compressed where that kernel can read it: all of it is copied and hashed while the VMs stand still, by one CPU, and
 * unpacked beside the start of drivers by another (Linux 5.13, init/initramfs.c, `initramfs_async`).
 *
 * @throws ExuviaError `restore-plan-refused`: exuvia-early-restore would not carry the plan out.
 */
export async function buildInitramfs(release: string, plan: RestorePlan, needs: EarlyNeeds): Promise<Buffer> {
  const text = renderRestorePlan(plan);
  await requireAccepted(text);
  const init = await readFile(INIT);
  const modules = await Promise.all(
    needs.modules.map(
      async ({ name, path }): Promise<CpioEntry> => ({
        type: 'file',
        path: earlyModuleFile(name).slice(1),
        data: await readModule(path),
      }),
    ),
  );
  const archive = cpioArchive([
    CONSOLE_ENTRY,
    { type: 'file', path: 'init', mode: 0o755, data: init },
    { type: 'file', path: 'plan', mode: 0o600, data: Buffer.from(text) },
    ...modules,
  ]);
  const readsZstd = (await kernelConfig(release))?.get('RD_ZSTD') === 'y';
  return readsZstd ? promisify(zstdCompress)(archive) : archive;
}

/** After the jump it would be too late: a plan that is refused there ends in a reset. */
async function requireAccepted(text: string): Promise<void> {
  const directory = await mkdtemp(join(HOST_PATHS.runtime, 'plan-'));
  try {
    const file = join(directory, 'plan');
    await writeFile(file, text, { mode: 0o600 });
    const { exitCode, stderr } = await run(INIT, ['--check', file], { allowFailure: true });
    if (exitCode === 0) return;
    throw new ExuviaError('restore-plan-refused', `The VMs could not be restored by it: ${stderr.trim()}.`, {
      hint: 'This host has more of it than the early restore can take; use `--handover reboot`.',
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
