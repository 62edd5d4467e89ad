import { GuestError } from '../errors.ts';
import type { LedgerPatch, PatchPlan } from '../journal/index.ts';
import { INT3 } from '../support/x86.ts';
import { advance } from './advance.ts';
import { backward, forward, holds, inverse, isMapped, madeOf, siteThatIsBack, thereOf } from './changes.ts';
import { type Context, forgetCode } from './context.ts';
import type { Finding, PatchState } from './kinds.ts';
import { sha256 } from './plan.ts';
import { type Change, switchCode } from './switch.ts';

/**
 * Puts right what a killed tool has left, by what is in the guest: a switch has happened or it has not. What
 * was written around it is taken back or kept with it.
 */
export async function settle(context: Context): Promise<Finding[]> {
  const restored = await forgetRestored(context);
  if (restored !== null) return [restored];
  const findings: Finding[] = [];
  for (const patch of context.journal.ledger.patches) {
    const { plan, phase } = patch;
    if (phase === 'planned' || phase === 'switching') findings.push(await settleApply(context, patch));
    else if (phase === 'reverting') findings.push(await settleRollback(context, patch));
    else {
      const why = damage(context, patch);
      if (why !== null) findings.push({ kind: 'damaged', id: plan.id, why });
    }
  }
  return findings;
}

/** As {@link settle}, and looks for threads afterwards. */
export async function reconcile(context: Context): Promise<Finding[]> {
  const findings = await settle(context);
  for (const id of await advance(context)) {
    const left = context.journal.ledger.patches.find(({ plan }) => plan.id === id);
    const state: PatchState = left === undefined ? 'retired' : 'complete';
    findings.push({ kind: 'advanced', id, state });
  }
  return findings;
}

async function settleApply(context: Context, { plan }: LedgerPatch): Promise<Finding> {
  const { journal } = context;
  const { id } = plan;
  const done = await settleChanges(context, forward(plan));
  if (done) {
    await journal.append({ kind: 'switched', id });
    return { kind: 'finished', id, state: 'transitioning' };
  }
  context.kernel.space.write(plan.code.address, Buffer.alloc(plan.code.length, INT3));
  await journal.append({ kind: 'undone', id, reason: 'the tool ended' });
  forgetCode(context, id);
  return { kind: 'undone', id };
}

async function settleRollback(context: Context, { plan }: LedgerPatch): Promise<Finding> {
  const { machine, kernel, journal } = context;
  const { id } = plan;
  // A rollback that was begun is wanted: it is finished.
  if (!(await settleChanges(context, backward(kernel, plan)))) {
    await switchCode(machine, kernel, [], backward(kernel, plan));
  }
  await journal.append({ kind: 'reverted', id });
  return { kind: 'finished', id, state: 'retiring' };
}

/**
 * Whether all changes have been made (true) or none (false). Should QEMU have made some of them (it reads
 * {@link ATOMIC_BYTES} at once, and more were sent), those are taken back.
 */
async function settleChanges({ machine, kernel }: Context, all: readonly Change[]): Promise<boolean> {
  const changes = thereOf(kernel, all);
  const made = madeOf(kernel, changes);
  // Of a patch whose module has been unloaded nothing has been made.
  if (made.length === changes.length && (made.length > 0 || all.length === 0)) return true;
  for (const { name, at, expected } of changes.filter((change) => !made.includes(change))) {
    if (kernel.space.read(at, expected.length).equals(expected)) continue;
    throw new GuestError(
      'guest-site-changed',
      `${name} holds neither what was there before the patch nor its jump: somebody else has changed it.`,
      { hint: 'Nothing was changed. Undo that in the guest, and reconcile again.' },
    );
  }
  if (made.length > 0) await switchCode(machine, kernel, [], inverse(made));
  return false;
}

/**
 * A guest that was restored from a snapshot of the same boot has none of the patches that came after it: every
 * place holds what it held before the first of them, and their code is not there.
 */
async function forgetRestored(context: Context): Promise<Finding | null> {
  const { journal } = context;
  const live = journal.ledger.patches.filter(({ phase }) => phase !== 'planned' && phase !== 'switching');
  const isGone = ({ plan }: LedgerPatch) =>
    !hasCode(context, plan) &&
    plan.sites.every((site) => {
      const first = live.flatMap((each) => each.plan.sites).find(({ at }) => at === site.at);
      return holds(context.kernel, site.at, first?.original ?? site.original);
    });
  if (live.length === 0 || !live.every(isGone)) return null;
  const ids = live.map(({ plan }) => plan.id);
  await journal.append(...ids.map((id) => ({ kind: 'lost' as const, id })));
  for (const id of ids) forgetCode(context, id);
  return { kind: 'guest-restored', ids };
}

function hasCode({ kernel }: Context, { code, codeSha256 }: PatchPlan): boolean {
  return sha256(kernel.space.read(code.address, code.length)) === codeSha256;
}

/** What of a patch that is in the guest is not as it should be. */
function damage(context: Context, { plan, phase }: LedgerPatch): string | null {
  if (!hasCode(context, plan)) return 'its code has been overwritten';
  if (phase === 'retiring') {
    const back = siteThatIsBack(context.kernel, plan);
    return back === undefined
      ? null
      : `the jump at ${back.name} is there again: the guest was restored from a snapshot`;
  }
  const live = context.journal.ledger.patches.filter((each) => each.phase !== 'retiring');
  for (const site of plan.sites) {
    const top = live
      .flatMap((each) => each.plan.sites)
      .findLast(({ oldAddress }) => oldAddress === site.oldAddress);
    if (top === undefined || holds(context.kernel, top.at, top.jump)) continue;
    return isMapped(context.kernel, site.at, 1)
      ? `${site.name} does not begin with the jump that was put there`
      : `${site.name} is not in the guest any more: its module ${site.object} has been unloaded`;
  }
  return null;
}
