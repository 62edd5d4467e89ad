import { writeFile } from 'node:fs/promises';
import { readIfExists } from '@exuvia/sys';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';

const SYSCTL = '/proc/sys/kernel/panic';

/** Remembers kernel.panic: the new kernel's command line sets its own until the update is verified. */
export async function notePanicTimeout(context: StepContext): Promise<void> {
  await context.remember('panic', Number((await readIfExists(SYSCTL))?.trim() ?? '0'));
}

/** Puts kernel.panic back to what it was before the update. */
export async function restorePanicTimeout(context: StepContext): Promise<void> {
  const before = z.int().safeParse(await context.recall('panic'));
  if (before.success) await writeFile(SYSCTL, String(before.data));
}
