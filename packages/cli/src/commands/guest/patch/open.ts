import { openPatches, type Patches } from '@exuvia/guest';
import { type PatchedGuestOptions, stateOf, type Target } from '../target.ts';

export type PatchOptions = PatchedGuestOptions;

/** Opens the patches of a guest, does the work, and leaves the VM as it was found. */
export async function withPatches<Result>(
  target: Target,
  options: PatchOptions,
  work: (patches: Patches) => Promise<Result>,
): Promise<Result> {
  const patches = await openPatches(target.qmp, stateOf(target, options));
  try {
    return await work(patches);
  } finally {
    await patches.close();
  }
}
