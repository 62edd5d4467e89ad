import { queryMigration } from '@exuvia/qemu';
import { GuestError } from '../errors.ts';
import type { PatchPlan } from '../journal/index.ts';
import type { LinkTarget } from '../link/index.ts';
import type { PatchFile } from '../patch/index.ts';
import { fault } from '../support/fault.ts';
import { INT3 } from '../support/x86.ts';
import { advance } from './advance.ts';
import { forward, inverse, madeOf } from './changes.ts';
import { codeWriter } from './code-writer.ts';
import { type Context, forgetCode, knowCode, patchOf, statusOf } from './context.ts';
import type { SwitchReport } from './kinds.ts';
import { planPatch } from './plan.ts';
import { type SwitchResult, switchCode } from './switch.ts';

export interface ApplyOptions {
  /** The file's bytes. */
  readonly bytes: Uint8Array;
  /** Takes the place of all patches that are in the guest, in the same stop. Default: it is stacked on them. */
  readonly replace?: boolean;
}

/**
 * Applies a patch: all of its functions in one stop. Afterwards every call goes to the new functions; threads
 * are looked for once in the old ones.
 *
 * @throws GuestError `patch-...`, `guest-arena-...`, `guest-site-...`: nothing has been changed then.
 */
export async function applyPatch(
  context: Context,
  patch: PatchFile,
  options: ApplyOptions,
): Promise<SwitchReport> {
  const { kernel, machine, journal } = context;
  await requireSettledMemory(context);
  const target: typeof kernel & LinkTarget = kernel;
  const { plan, linked } = await planPatch(target, journal, patch, {
    bytes: options.bytes,
    replace: options.replace ?? false,
    at: new Date(),
  });
  const used = journal.ledger.used;
  // The first stop adds the control channel; that need not be part of the one that matters.
  await machine.prepare();
  await journal.append({ kind: 'planned', patch: plan });
  knowCode(context, plan);
  let result: SwitchResult;
  try {
    if (linked.data !== null) kernel.space.write(linked.data.address, linked.data.bytes);
    const code = codeWriter(machine.accelerator).place(
      kernel.space,
      linked.code.address,
      linked.code.bytes,
      used,
    );
    fault('code-written');
    await journal.append({ kind: 'switching', id: plan.id });
    result = await switchCode(machine, kernel, code, forward(plan));
  } catch (error) {
    await undo(context, plan, error);
    throw error;
  }
  fault('switched');
  await journal.append({ kind: 'switched', id: plan.id });
  await advance(context);
  const { us: pauseUs, attempts, stop } = result;
  return { patch: statusOf(context, patchOf(context, plan.id)), pauseUs, stop, attempts };
}

const MOVING = [
  'setup',
  'active',
  'device',
  'pre-switchover',
  'postcopy-active',
  'postcopy-paused',
  'wait-unplug',
];

/** What is written into the RAM file while QEMU sends that memory elsewhere would not be sent again. */
async function requireSettledMemory({ machine }: Context): Promise<void> {
  const { status } = await queryMigration(machine.qmp);
  if (status === undefined || !MOVING.includes(status)) return;
  throw new GuestError('guest-site-moving', `The VM is being migrated or updated: QEMU says ${status}.`, {
    hint: 'Try again when that is over.',
  });
}

/** An apply that failed has not changed the guest, unless QEMU lost a write: then it is put back. */
async function undo(context: Context, plan: PatchPlan, error: unknown): Promise<void> {
  const { kernel, machine, journal } = context;
  const made = madeOf(kernel, forward(plan));
  const reason = error instanceof GuestError ? error.code : String(error);
  try {
    if (made.length > 0) await switchCode(machine, kernel, [], inverse(made));
  } catch (cause) {
    throw new GuestError(
      'guest-write-lost',
      `A part of ${plan.id} was written (${reason}), and could not be taken back: ${String(cause)}`,
      { cause, hint: '`exuvia guest patch reconcile VM` takes it back.' },
    );
  }
  kernel.space.write(plan.code.address, Buffer.alloc(plan.code.length, INT3));
  await journal.append({ kind: 'undone', id: plan.id, reason });
  forgetCode(context, plan.id);
}
