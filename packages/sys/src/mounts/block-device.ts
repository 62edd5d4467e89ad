import { open } from 'node:fs/promises';
import { ExuviaError } from '@exuvia/contract';
import { run } from '../process/run.ts';

/** What lies on a block device, read from the device itself, never from a cache. */
export interface BlockContent {
  /** `ext4`, `LVM2_member`, `dos`...; `null` for a partition table that has no other name. */
  readonly type: string | null;
  /** `filesystem`, `raid`, `crypto`, `other`. */
  readonly usage: string | null;
  readonly label: string | null;
  readonly uuid: string | null;
  readonly partitionTable: string | null;
}

/**
 * Finds out what a block device holds; `null` when it carries no signature known to blkid.
 *
 * @throws ExuviaError `device-ambiguous` when signatures of several kinds are found; `device-unreadable`.
 */
export async function probeBlockDevice(device: string): Promise<BlockContent | null> {
  await assertReadable(device);
  const { stdout, stderr, exitCode } = await run('blkid', ['-p', '-o', 'export', device], {
    allowFailure: true,
  });
  // blkid(8): 2, nothing found; 8, ambivalent low-level probing result.
  if (exitCode === 2) return null;
  if (exitCode === 8) {
    throw new ExuviaError('device-ambiguous', `${device} carries signatures of more than one kind.`, {
      hint: `\`wipefs ${device}\` lists them.`,
    });
  }
  if (exitCode !== 0) {
    throw new ExuviaError('device-unreadable', `${device} could not be examined.`, {
      hint: `blkid said: ${stderr.trim() || `exit code ${exitCode}`}`,
    });
  }
  return parseBlockContent(stdout);
}

/** blkid (util-linux 2.38) says `nothing found` even of a device that it could not even open. */
async function assertReadable(device: string): Promise<void> {
  try {
    const file = await open(device, 'r');
    try {
      await file.read(Buffer.alloc(4096), 0, 4096, 0);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new ExuviaError('device-unreadable', `${device} could not be read.`, { cause });
  }
}

/** Reads `blkid -o export`: NAME=value lines, special characters escaped by backslashes. */
export function parseBlockContent(output: string): BlockContent | null {
  const values = new Map<string, string>();
  for (const line of output.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1).replace(/\\(.)/g, '$1'));
  }
  values.delete('DEVNAME');
  if (!values.has('TYPE') && !values.has('PTTYPE')) return null;
  return {
    type: values.get('TYPE') ?? null,
    usage: values.get('USAGE') ?? null,
    label: values.get('LABEL') ?? null,
    uuid: values.get('UUID') ?? null,
    partitionTable: values.get('PTTYPE') ?? null,
  };
}
