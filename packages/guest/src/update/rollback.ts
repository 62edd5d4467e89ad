import { GuestError } from '../errors.ts';
import { fault } from '../support/fault.ts';
import { advance } from './advance.ts';
import { backward } from './changes.ts';
import { type Context, patchOf, retiredStatus, statusOf } from './context.ts';
import type { SwitchReport } from './kinds.ts';
import { switchCode } from './switch.ts';

/**
 * Takes a patch back: calls go to what was there before it from one stop on. Its code stays in the guest until
 * no thread is in it.
 *
 * @throws GuestError `guest-patch-unknown`, `guest-rollback-order` when another patch lies on top of it,
 * `guest-patch-state` when it is on its way out already, `guest-site-...`: nothing has been changed then.
 */
export async function rollbackPatch(context: Context, id: string): Promise<SwitchReport> {
  const { machine, kernel, journal } = context;
  const { plan, phase } = patchOf(context, id);
  if (phase !== 'complete' && phase !== 'transitioning') {
    throw new GuestError('guest-patch-state', `Patch ${id} is ${phase}: it cannot be rolled back.`, {
      hint: 'exuvia guest patch reconcile VM brings it further.',
    });
  }
  const status = statusOf(context, patchOf(context, id));
  const covered = status.functions.find(({ coveredBy }) => coveredBy !== null);
  if (covered !== undefined) {
    throw new GuestError(
      'guest-rollback-order',
      `Patch ${covered.coveredBy} lies on top of ${id}: it replaces ${covered.name}, too.`,
      {
        hint: `Roll back ${covered.coveredBy} first, or apply a patch that takes the place of all with --replace.`,
      },
    );
  }
  await machine.prepare();
  const changes = backward(kernel, plan);
  for (const { name, at, expected } of changes) {
    if (!kernel.space.read(at, expected.length).equals(expected)) {
      throw new GuestError(
        'guest-site-changed',
        `${name} does not begin with the jump that ${id} put there.`,
        {
          hint: 'Somebody traces, probes or patches it in the guest. Nothing was written.',
        },
      );
    }
  }
  await journal.append({ kind: 'reverting', id });
  const { us, stop, attempts } = await switchCode(machine, kernel, [], changes);
  fault('reverted');
  await journal.append({ kind: 'reverted', id });
  context.watches.delete(id);
  context.waiting.delete(id);
  await advance(context);
  const left = journal.ledger.patches.find((each) => each.plan.id === id);
  return {
    patch: left === undefined ? retiredStatus(context, plan) : statusOf(context, left),
    pauseUs: us,
    stop,
    attempts,
  };
}
