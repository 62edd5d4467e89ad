import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Check, VmSpec } from '@exuvia/contract';
import { type OpenImage, queryChangedDisks, queryImages } from '@exuvia/qemu';
import { listIfExists } from '@exuvia/sys';
import type { Monitors } from './monitors.ts';

/**
 * Would another QEMU with the same arguments have the same disks? Its images are still those that were started with, and
 * every file that QEMU has open, backing files included, still lies where it was opened. Never throws.
 */
export async function diskCheck(
  name: string,
  disks: VmSpec['disks'],
  pid: number,
  monitors: Monitors,
): Promise<Check> {
  const common = { id: 'vm-disks', subject: name } as const;
  try {
    const client = await monitors.get(name);
    const [changed, images] = [await queryChangedDisks(client, disks.length), await queryImages(client)];
    const problem = problemOf(changed, await replaced(images, pid));
    if (problem === null) return { ...common, verdict: 'ok', reason: describe(images) };
    return { ...common, verdict: 'fail', ...problem };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...common, verdict: 'fail', reason: `QEMU cannot be asked for its disks: ${reason}` };
  }
}

function problemOf(
  changed: readonly number[],
  gone: readonly OpenImage[],
): { reason: string; remedy: string } | null {
  if (changed.length > 0) {
    return {
      reason: `Since its start disks were moved to other images (number ${changed.map((index) => index + 1).join(', ')}): the next QEMU would open the old ones.`,
      remedy: 'Commit or merge the snapshot, or put the new image into its spec, stop and start it.',
    };
  }
  if (gone.length > 0) {
    return {
      reason: `${gone.map(({ path }) => path).join(', ')} was removed or replaced while it has it open.`,
      remedy: 'Put the file back, or copy the disk from inside the guest, then stop the VM.',
    };
  }
  return null;
}

function describe(images: readonly OpenImage[]): string {
  if (images.length === 0) return 'It has no disks.';
  return `It has open: ${images.map(({ path, readOnly }) => path + (readOnly ? ' (read only)' : '')).join(', ')}.`;
}

/** Those whose path does not lead to a file that the process has open. */
async function replaced(images: readonly OpenImage[], pid: number): Promise<OpenImage[]> {
  const directory = `/proc/${pid}/fd`;
  const open = new Set(
    await Promise.all((await listIfExists(directory)).map((fd) => identityOf(join(directory, fd)))),
  );
  const found = await Promise.all(
    images.map(async ({ driver, path }) => !LOCAL.has(driver) || open.has(await identityOf(path))),
  );
  return images.filter((_, index) => found[index] !== true);
}

const LOCAL: ReadonlySet<string> = new Set(['file', 'host_device']);

/** The file behind a path, links followed; a path that leads nowhere has none. */
async function identityOf(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(
    ({ dev, ino }) => `${dev}:${ino}`,
    () => path,
  );
}
