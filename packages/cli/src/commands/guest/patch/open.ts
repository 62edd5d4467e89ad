import { openPatches, type Patches } from '@exuvia/guest';
import type { GuestOptions, Target } from '../target.ts';

export interface PatchOptions extends GuestOptions {
  readonly state?: string;
}

/** Opens the patches of a guest, does the work, and leaves the VM as it was found. */
export async function withPatches<Result>(
  target: Target,
  options: PatchOptions,
  work: (patches: Patches) => Promise<Result>,
): Promise<Result> {
  const patches = await openPatches(target.qmp, {
    ...(options.qmp === undefined ? { name: target.name } : {}),
    ...(options.state === undefined ? {} : { state: options.state }),
  });
  try {
    return await work(patches);
  } finally {
    await patches.close();
  }
}
