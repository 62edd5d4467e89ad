import type { PatchPlan } from '../journal/index.ts';
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

/** What rolling it back changes. */
export function backward({ sites }: PatchPlan): Change[] {
  return sites.map(({ name, at, jump, original }) => ({
    ...{ name, at },
    expected: jump,
    bytes: original,
    // Behind the jump there is nothing that a thread could be in.
    moved: false,
  }));
}
