import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { waitForAgent } from '../host/agent.ts';
import { bootedAtLast, unlessStuck } from '../host/boot.ts';
import { endMachine, startMachine, waitForEnd, waitForSsh } from '../host/machine.ts';
import { makeOverlay } from '../host/overlay.ts';
import { labRun } from '../host/ssh.ts';
import { type Accelerator, lastLab, requireNoLab } from '../host/state.ts';
import { cached, keyOf, keyOfFiles } from '../support/cache.ts';
import { patiently } from '../support/patience.ts';
import type { Progress } from '../support/progress.ts';
import type { Base } from './base.ts';
import type { HostDisk } from './host-disk.ts';
import { toolPath } from './toolbox.ts';

/** What it is made by; the machine that it is booted in leaves its mark on it. */
const SOURCES = ['prepare.ts', '../host/qemu-command.ts'].map((name) => join(import.meta.dirname, name));
/** The kind of these pieces in the cache. */
export const PREPARED = 'prepared';
const BOOT_LIMIT_MS = 240_000;

/**
 * Prepares a disk as a user would prepare a host: boots it once, runs `exuvia setup`, powers it off. The
 * result is an image whose next boot has a store. The lab's lock must be held.
 */
export async function prepareDisk(
  base: Base,
  disk: HostDisk,
  options: { accelerator: Accelerator; cpus: number; memoryBytes: number; store: string },
  progress: Progress,
): Promise<{ readonly image: string; readonly key: string }> {
  const { accelerator, cpus, memoryBytes, store } = options;
  const key = keyOf(disk.key, memoryBytes, cpus, store, accelerator, await keyOfFiles(SOURCES));
  const folder = await cached(PREPARED, key, (into) =>
    progress.step(`image: first boot and exuvia setup --memory ${options.store}`, async () => {
      await requireNoLab();
      await mkdir(into, { recursive: true });
      const overlay = join(into, 'overlay.qcow2');
      const boot = async () => {
        await makeOverlay(base, disk.image, overlay);
        const machine = await startMachine({
          ...{ base, credentials: disk.credentials, disk: overlay },
          ...options,
        });
        const ssh = waitForSsh(machine, BOOT_LIMIT_MS);
        await unlessStuck(ssh.then(() => waitForAgent(machine, BOOT_LIMIT_MS, { store: false })));
        return machine;
      };
      try {
        const state = await bootedAtLast(boot, progress);
        const { stdout } = await labRun(state, `exuvia setup --memory ${options.store}`, {
          timeoutMs: 240_000,
        });
        for (const line of stdout.split('\n')) progress.say(`  | ${line}`);
        await labRun(state, 'systemctl poweroff --no-block');
        await waitForEnd(state, BOOT_LIMIT_MS);
      } finally {
        const last = await lastLab();
        if (last !== null) await endMachine(last);
      }
      const image = join(into, 'disk.raw');
      await run(toolPath(base.folder, 'qemu-img'), ['convert', '-f', 'qcow2', '-O', 'raw', overlay, image], {
        timeoutMs: patiently(300_000),
      });
      await run('rm', [overlay]);
    }),
  );
  return { image: join(folder, 'disk.raw'), key };
}
