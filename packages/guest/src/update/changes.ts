import type { PatchPlan } from '../journal/index.ts';
import type { GuestKernel } from '../kinds.ts';
import type { Change } from './switch.ts';

/** What applying a patch changes in the guest's code. */
export function forward({ id, sites, restores }: PatchPlan): Change[] {
  return [
    ...sites.map(({ name, at, expected, jump, kind }) => ({
      ...{ name, at, expected },
      bytes: jump,
      moved: kind === 'moved' && expected[0] !== 0xe9,
    })),
    ...restores.map(({ at, expected, original }) => ({
      name: `a function that only what ${id} replaces had patched`,
      ...{ at, expected },
      bytes: original,
      moved: false,
    })),
  ];
}

/** What rolling it back changes. Functions of modules that have been unloaded are gone, and their jumps too. */
export function backward(kernel: GuestKernel, { sites }: PatchPlan): Change[] {
  return sites
    .filter(({ at, jump }) => isMapped(kernel, at, jump.length))
    .map(({ name, at, jump, original }) => ({
      ...{ name, at },
      expected: jump,
      bytes: original,
      // Behind the jump there is nothing that a thread could be in.
      moved: false,
    }));
}

export function isMapped({ space }: GuestKernel, address: bigint, length: number): boolean {
  return [address, address + BigInt(length - 1)].every((end) => space.translate(end) !== null);
}
