import { setTimeout } from 'node:timers/promises';
import type { Heartbeat, Report, Vm } from '@exuvia/contract';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';

const notedSchema = z.record(
  z.string(),
  z.object({
    bootId: z.string(),
    sequence: z.string().regex(/^\d+$/),
    /** Its heart did not beat when it was noted. */
    silent: z.boolean().default(false),
  }),
);

const POLL_MS = 100;

type Hearts = Pick<HandoverDependencies, 'heartbeat'>;

/**
 * Remembers the heartbeats of the plan's VMs, for {@link heartbeatAfter} on the other side. A guest that is silent already is
 * taken along as it is; the update's log says so.
 *
 * @param silenceMs a guest whose heart does not beat for so long is called silent.
 */
export async function noteHeartbeats(
  hearts: Hearts,
  context: Pick<StepContext, 'log' | 'remember'>,
  vms: readonly Vm[],
  silenceMs = 2000,
): Promise<void> {
  const noted: z.input<typeof notedSchema> = {};
  const note = async ({ name, spec }: Vm) => {
    const page = spec.heartbeat ? await hearts.heartbeat(name) : null;
    if (page === null) return;
    const later = await nextBeat(hearts, name, page.sequence, silenceMs);
    if (!later.beats) {
      context.log(
        `VM ${name}: its heart does not beat: its guest hangs, or does not write its page any more`,
      );
    }
    const { bootId, sequence } = later.page ?? page;
    noted[name] = { bootId, sequence: sequence.toString(), silent: !later.beats };
  };
  await Promise.all(vms.map(note));
  await context.remember('heartbeats', noted);
}

/**
 * Whether the guest is the one of before, and its heart beats on: nulls when it had no heartbeat page. Of a guest that was
 * silent before the update and is silent now, the update has nothing to say: null for its heart.
 *
 * @param limitMs so long it may take to beat.
 */
export async function heartbeatAfter(
  hearts: Hearts,
  context: Pick<StepContext, 'recall'>,
  name: string,
  limitMs = 20_000,
): Promise<Pick<Report['vms'][number], 'bootIdSame' | 'heartbeatContinued'>> {
  const before = notedSchema.catch({}).parse(await context.recall('heartbeats'))[name];
  if (before === undefined) return { bootIdSame: null, heartbeatContinued: null };
  // Minutes may have gone by between the note and the pause: only what it beats now shows that it lives.
  const first = await hearts.heartbeat(name);
  const noted = BigInt(before.sequence);
  const from = first !== null && first.sequence > noted ? first.sequence : noted;
  const { beats, page } = await nextBeat(hearts, name, from, limitMs);
  const nothingToSay = before.silent && !beats;
  return { bootIdSame: page?.bootId === before.bootId, heartbeatContinued: nothingToSay ? null : beats };
}

/** Waits for a beat after the one with this number; tells the newest that was seen. */
async function nextBeat(
  { heartbeat }: Hearts,
  name: string,
  sequence: bigint,
  limitMs: number,
): Promise<{ readonly beats: boolean; readonly page: Heartbeat | null }> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const page = await heartbeat(name);
    const beats = page !== null && page.sequence > sequence;
    if (beats || performance.now() > deadline) return { beats, page };
    await setTimeout(POLL_MS);
  }
}
