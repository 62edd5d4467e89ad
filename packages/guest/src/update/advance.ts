import { GuestError } from '../errors.ts';
import type { LedgerPatch } from '../journal/index.ts';
import { INT3 } from '../support/x86.ts';
import { siteThatIsBack } from './changes.ts';
import { type Context, forgetCode } from './context.ts';
import type { WatchedArea } from './threads.ts';
import { type Straggler, type Watch, watchAreas } from './watch.ts';

/**
 * Looks for threads in what is being left: in old functions of patches that have been applied, in the code of
 * patches that have been rolled back. What nobody is in any more is complete, or retired.
 *
 * @returns ids of the patches that came further.
 * @throws GuestError `guest-unwatched`: the switch has happened, and what became of it is not known yet.
 */
export async function advance(context: Context): Promise<string[]> {
  const moved: string[] = [];
  for (const patch of context.journal.ledger.patches) {
    const { id } = patch.plan;
    const areas = areasToLeave(patch);
    if (areas === null) continue;
    // It is reported as damage, and its code stays.
    if (patch.phase === 'retiring' && siteThatIsBack(context.kernel, patch.plan) !== undefined) continue;
    const watch = context.watches.get(id) ?? watchAreas(context.machine, context.kernel, areas);
    context.watches.set(id, watch);
    const left = await look(watch, id);
    context.waiting.set(id, left);
    if (left.length > 0) continue;
    context.watches.delete(id);
    if (patch.phase === 'retiring') await retire(context, patch);
    else await context.journal.append({ kind: 'complete', id });
    moved.push(id);
  }
  await context.journal.compact();
  return moved;
}

async function look(watch: Watch, id: string): Promise<readonly Straggler[]> {
  try {
    return await watch.look();
  } catch (cause) {
    if (!(cause instanceof GuestError)) throw cause;
    throw new GuestError(
      'guest-unwatched',
      `${id} has been switched, but where the guest's threads are cannot be seen: ${cause.message}`,
      { cause, hint: 'The guest runs on. `exuvia guest patch reconcile VM` looks again.' },
    );
  }
}

/** What threads have to leave for a patch to come further; null when it waits for nobody. */
function areasToLeave({ phase, plan }: LedgerPatch): readonly WatchedArea[] | null {
  if (phase === 'transitioning') {
    return plan.sites.flatMap(({ old, name }) => old.map((area) => ({ ...area, name })));
  }
  return phase === 'retiring' ? [{ ...plan.code, name: `the code of ${plan.id}` }] : null;
}

/** No thread is in the patch's code and nothing leads there: the memory is as it was before. */
async function retire(context: Context, { plan }: LedgerPatch): Promise<void> {
  const { kernel, journal } = context;
  const { code, data, id } = plan;
  kernel.space.write(code.address, Buffer.alloc(code.length, INT3));
  if (data !== null) kernel.space.write(data.address, Buffer.alloc(data.length));
  await journal.append({ kind: 'retired', id });
  forgetCode(context, id);
}
