import { join } from 'node:path';
import { readIfExists } from '@exuvia/sys';
import { EMPTY_LEDGER, follow, type Phase } from '../journal/ledger.ts';
import { parseLines } from '../journal/lines.ts';
import type { Site } from '../journal/records.ts';
import type { GuestKernel } from '../kinds.ts';
import { type OpenOptions, stateFolder } from './open.ts';

/** A patch that the journal tells of, and what its places in the guest hold now. */
export interface SeenPatch {
  readonly id: string;
  readonly phase: Phase;
  readonly sites: readonly {
    readonly object: string;
    readonly name: string;
    readonly address: bigint;
    /** `other`: neither the jump nor what was there before it, for example the jump of a patch on top. */
    readonly holds: 'jump' | 'original' | 'other';
  }[];
}

/**
 * Looks at the patches of a guest without taking hold of the VM or changing anything, the journal included.
 * Walks of stacks go through the patches' code from here on. Empty when the guest has been booted since.
 *
 * @throws GuestError `guest-journal-damaged`.
 */
export async function lookAtPatches(
  kernel: GuestKernel,
  qmpPath: string,
  options: OpenOptions = {},
): Promise<SeenPatch[]> {
  const file = join(stateFolder(qmpPath, options), 'journal');
  const { records } = parseLines(file, (await readIfExists(file)) ?? '');
  const ledger = records.reduce(follow, EMPTY_LEDGER);
  if (ledger.kernel?.epoch !== kernel.bootEpoch() || ledger.kernel.buildId !== kernel.buildId) return [];
  return ledger.patches.map(({ plan, phase }) => {
    kernel.addCode({ start: plan.code.address, size: plan.code.length, unwind: plan.unwind });
    const sites = plan.sites.map((site) => {
      const { object, name, at } = site;
      return { object, name, address: at, holds: holds(kernel, site) };
    });
    return { id: plan.id, phase, sites };
  });
}

function holds({ space }: GuestKernel, { at, jump, original }: Site): 'jump' | 'original' | 'other' {
  const now = space.read(at, jump.length);
  if (now.equals(jump)) return 'jump';
  return now.equals(original) ? 'original' : 'other';
}
