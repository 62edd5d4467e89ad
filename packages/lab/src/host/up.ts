import { buildImage, type ImageOptions } from '../image/image.ts';
import type { Progress } from '../support/progress.ts';
import { waitForAgent } from './agent.ts';
import { bootedAtLast, unlessStuck } from './boot.ts';
import { withLabLock } from './lock.ts';
import { requireMemory, startMachine, waitForSsh } from './machine.ts';
import { chooseKernel, makeDataDisk, makeOverlay } from './overlay.ts';
import { type LabState, labPaths, requireNoLab } from './state.ts';

export interface UpOptions extends ImageOptions {
  /** With a second disk, which has partitions and nothing else. */
  readonly withDataDisk?: boolean;
}

const BOOT_LIMIT_MS = 240_000;

/**
 * Builds what is missing and starts the lab host.
 *
 * @throws ExuviaError `lab-running` when there is one already; `kernel-unknown`.
 */
export async function labUp(options: UpOptions, progress: Progress): Promise<LabState> {
  return withLabLock(async () => {
    await requireNoLab();
    // Before an image is built, which takes minutes.
    await requireMemory(options.memoryBytes);
    const image = await buildImage(options, progress);
    const boot = () =>
      progress.step(`lab: booting Debian 13 with kernel ${image.kernel} (${image.accelerator})`, async () => {
        const disk = labPaths().overlay;
        await makeOverlay(image.base, image.disk, disk);
        await chooseKernel(image.base, image.disk, disk, image.kernel);
        const dataDisk = options.withDataDisk === true ? labPaths().dataDisk : undefined;
        if (dataDisk !== undefined) await makeDataDisk(dataDisk);
        const state = await startMachine({ ...image, ...options, disk, dataDisk });
        const up = image.hasAgent
          ? waitForAgent(state, BOOT_LIMIT_MS, { store: options.store !== null })
          : waitForSsh(state, BOOT_LIMIT_MS);
        await unlessStuck(up);
        return state;
      });
    return bootedAtLast(boot, progress);
  });
}
