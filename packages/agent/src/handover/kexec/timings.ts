import { readIfExists } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import { attempt } from '../shared/attempt.ts';
import type { Timings } from '../shared/report.ts';
import { parseStamps, type Stamps, tscKhz } from '../shared/stamp-lines.ts';
import { clockReadingSchema } from './clock.ts';
import { handoverFiles } from './layout.ts';
import { computeTimings } from './stamps.ts';

/** The phases, from the stamps of the old side in the store and those of the new one; `null` when they are gone. */
export async function timingsOf(context: StepContext, after: Stamps): Promise<Timings | null> {
  const text = await readIfExists(handoverFiles(context.plan.id).stamps);
  const kept = text ?? (await context.recall('stamps'));
  if (typeof kept !== 'string') return null;
  // In the store they last only as long as nobody destroys the store; the update's directory keeps them.
  await attempt(context, 'The stamps are kept in the store only', () => context.remember('stamps', kept));
  const before = parseStamps(kept.replaceAll(/\n+/g, '\n'));
  const started = clockReadingSchema.safeParse(await context.recall('clock'));
  const jumped = before.clocks.at(-1);
  if (!started.success || jumped === undefined) return null;
  const khz = tscKhz({ tsc: BigInt(started.data.tsc), ns: BigInt(started.data.ns) }, jumped);
  if (khz === null) return null;
  try {
    return computeTimings(before, after, khz);
  } catch (error) {
    context.log(`The phases cannot be told: ${String(error)}`);
    return null;
  }
}
