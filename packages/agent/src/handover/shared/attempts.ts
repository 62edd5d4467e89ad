import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';

/** A restore that crashes the host is not tried for ever. */
const MAX_ATTEMPTS = 2;

/** Counts an attempt to take up the VMs after a reset, durably, before anything is tried; false: it is one too many. */
export async function mayTry(context: StepContext): Promise<boolean> {
  const before = z
    .int()
    .catch(0)
    .parse(await context.recall('salvage-attempts'));
  // On a full disk nothing can be counted: better one attempt too many than VMs that nobody takes up.
  await context.remember('salvage-attempts', before + 1).catch(() => {});
  return before < MAX_ATTEMPTS;
}

export const TRIED_ENOUGH = 'Restoring was tried twice in a row and is not tried again by itself.';
