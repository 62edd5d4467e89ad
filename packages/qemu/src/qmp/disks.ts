import { diskNodeName, diskQdev } from '../command-line/disks.ts';
import type { QmpClient } from './client.ts';
import { checked } from './queries.ts';
import { blockNodesSchema, blockSchema } from './replies.ts';

/** An image file or device that a QEMU has open: that of a disk, or one that a disk's image is based on. */
export interface OpenImage {
  readonly path: string;
  /** QEMU's driver: `file`, `host_device`; others reach what is no file of this host (`nbd`, `rbd`). */
  readonly driver: string;
  readonly readOnly: boolean;
}

/** Drivers that only interpret what another node holds, or pass it on. */
const ABOVE_FILES: ReadonlySet<string> = new Set(['raw', 'qcow2', 'throttle', 'copy-on-read', 'null-co']);

/** What lies below a VM's disks now, backing files included; each once. */
export async function queryImages(client: QmpClient): Promise<OpenImage[]> {
  const reply = await client.execute('query-named-block-nodes', { flat: true });
  const nodes = checked('query-named-block-nodes', blockNodesSchema, reply);
  const images = new Map<string, OpenImage>();
  for (const { drv: driver, file: path, ro } of nodes) {
    if (ABOVE_FILES.has(driver)) continue;
    images.set(path, { path, driver, readOnly: ro && (images.get(path)?.readOnly ?? true) });
  }
  return [...images.values()];
}

/** The numbers of those of a spec's disks that are no longer in the image that they were started with (a snapshot was taken). */
export async function queryChangedDisks(client: QmpClient, count: number): Promise<number[]> {
  const devices = checked('query-block', blockSchema, await client.execute('query-block'));
  return Array.from({ length: count }, (_, index) => index).filter((index) => {
    const device = devices.find(({ qdev }) => qdev?.includes(`/${diskQdev(index)}/`));
    return device?.inserted?.['node-name'] !== diskNodeName(index);
  });
}
