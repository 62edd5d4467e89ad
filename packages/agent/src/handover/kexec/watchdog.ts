import { findWatchdog, modulesFor, run, stopWatchdog } from '@exuvia/sys';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';

const watchdogSchema = z.object({ device: z.string(), module: z.string().nullable(), seconds: z.int() });

/**
 * The watchdog that an update into kernel `release` may arm: nobody else feeds it, it runs on through the jump, can be stopped,
 * and that kernel has its driver, with which it is. `null` without one.
 */
export async function usableWatchdog(
  release: string,
): Promise<{ device: string; module: string | null } | null> {
  const watchdog = await findWatchdog();
  if (watchdog === null || watchdog.inUse || !watchdog.stoppable || watchdog.staysArmed !== true) return null;
  const { device, module } = watchdog;
  const driver = module === null ? [] : await modulesFor(release, [module]).catch(() => null);
  return driver === null ? null : { device, module };
}

/** Chooses the watchdog that the pause arms right before the jump, and remembers it; `null` without one. */
export async function noteWatchdog(
  context: StepContext,
  seconds: number,
): Promise<{ device: string; seconds: number } | null> {
  const watchdog = await usableWatchdog(context.plan.target.kernel);
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
