import { GuestError } from '../errors.ts';
import type { LedgerPatch } from '../journal/index.ts';
import { advance } from './advance.ts';
import { backward, forward } from './changes.ts';
import { type Context, forgetCode } from './context.ts';
import type { Finding, PatchState } from './kinds.ts';
import { sha256 } from './plan.ts';
import { type Change, switchCode } from './switch.ts';

/**
 * Puts right what a killed tool has left, by what is in the guest: a switch has happened or it has not. What
 * was written around it is taken back or kept with it.
 */
export async function settle(context: Context): Promise<Finding[]> {
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
  context.kernel.space.write(plan.code.address, Buffer.alloc(plan.code.length, 0xcc));
  await journal.append({ kind: 'undone', id, reason: 'the tool ended' });
  forgetCode(context, id);
  return { kind: 'undone', id };
}

async function settleRollback(context: Context, { plan }: LedgerPatch): Promise<Finding> {
  const { machine, kernel, journal } = context;
  const { id } = plan;
  // A rollback that was begun is wanted: it is finished.
  if (!(await settleChanges(context, backward(plan)))) {
    await switchCode(machine, kernel, [], backward(plan));
  }
  await journal.append({ kind: 'reverted', id });
  return { kind: 'finished', id, state: 'retiring' };
}

/**
 * Whether all changes have been made (true) or none (false). Should QEMU have made some of them (it reads
 * {@link ATOMIC_BYTES} at once, and more were sent), those are taken back.
 */
async function settleChanges({ machine, kernel }: Context, changes: readonly Change[]): Promise<boolean> {
  const made = changes.filter(({ at, bytes }) => kernel.space.read(at, bytes.length).equals(bytes));
  if (made.length === changes.length) return true;
  for (const { name, at, expected } of changes.filter((change) => !made.includes(change))) {
    if (kernel.space.read(at, expected.length).equals(expected)) continue;
    throw new GuestError(
      'guest-site-changed',
      `${name} holds neither what was there before the patch nor its jump: somebody else has changed it.`,
      { hint: 'Nothing was changed. Undo that in the guest, and reconcile again.' },
    );
  }
  if (made.length > 0) {
    await switchCode(
      machine,
      kernel,
      [],
      made.map((change) => ({ ...change, expected: change.bytes, bytes: change.expected, moved: false })),
    );
  }
  return false;
}

/** What of a patch that is in the guest is not as it should be. */
function damage({ kernel, journal }: Context, { plan, phase }: LedgerPatch): string | null {
  if (sha256(kernel.space.read(plan.code.address, plan.code.length)) !== plan.codeSha256) {
    return 'its code has been overwritten';
  }
  if (phase === 'retiring') return null;
  const live = journal.ledger.patches.filter((each) => each.phase !== 'retiring');
  for (const site of plan.sites) {
    const top = live
      .flatMap((each) => each.plan.sites)
      .findLast(({ oldAddress }) => oldAddress === site.oldAddress);
    if (top === undefined || kernel.space.read(top.at, top.jump.length).equals(top.jump)) continue;
    return `${site.name} does not begin with the jump that was put there`;
  }
  return null;
}
