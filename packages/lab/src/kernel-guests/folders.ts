import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A folder for a guest of this process; those of processes that are gone are removed. */
export async function guestFolder(parent: string): Promise<string> {
  for (const name of await readdir(parent)) {
    const owner = /^exuvia-guest-([0-9]+)-/.exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    // That of another user is left to that user.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
  return mkdtemp(join(parent, `exuvia-guest-${process.pid}-`));
}
