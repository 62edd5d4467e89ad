import { findWatchdog, run, stopWatchdog } from '@exuvia/sys';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';

const watchdogSchema = z.object({ device: z.string(), module: z.string().nullable(), seconds: z.int() });

/** The watchdog that an update may arm: nobody else feeds it, and it runs on through the jump. `null` without one. */
export async function usableWatchdog(): Promise<{ device: string; module: string | null } | null> {
  const watchdog = await findWatchdog();
  const usable = watchdog !== null && !watchdog.inUse && watchdog.staysArmed === true;
  return usable ? { device: watchdog.device, module: watchdog.module } : null;
}

/** Chooses the watchdog that the pause arms right before the jump, and remembers it; `null` without one. */
export async function noteWatchdog(
  context: StepContext,
  seconds: number,
): Promise<{ device: string; seconds: number } | null> {
  const watchdog = await usableWatchdog();
  const chosen = watchdog === null ? null : { ...watchdog, seconds };
  await context.remember('watchdog', chosen);
  return chosen;
}

/** On the new side, when the early restore could not: a watchdog that runs on would reset a host that is well. */
export async function stopJumpWatchdog(context: StepContext): Promise<void> {
  const watchdog = watchdogSchema.safeParse(await context.recall('watchdog')).data;
  if (watchdog === undefined) return;
  if (watchdog.module !== null) await run('modprobe', [watchdog.module], { allowFailure: true });
  await stopWatchdog(watchdog.device);
  await context.remember('watchdog', null);
}
