import type { AttachedGuest } from '../attach/attach.ts';
import { GuestError } from '../errors.ts';
import type { Journal, LedgerPatch, PatchPlan } from '../journal/index.ts';
import type { GuestMachine } from '../machine/index.ts';
import type { PatchState, PatchStatus } from './kinds.ts';
import type { Straggler, Watch } from './watch.ts';

/** What all that is done to the patches of a guest works with. */
export interface Context {
  readonly machine: GuestMachine;
  readonly kernel: AttachedGuest;
  readonly journal: Journal;
  /** Of patches that threads have still to leave, by id. */
  readonly watches: Map<string, Watch>;
  readonly waiting: Map<string, readonly Straggler[]>;
  /** Takes a patch's code out of the walks of stacks, by id. */
  readonly known: Map<string, () => void>;
}

/** Lets walks of stacks go through a patch's code. */
export function knowCode({ kernel, known }: Context, { id, code, unwind }: PatchPlan): void {
  if (known.has(id)) return;
  known.set(id, kernel.addCode({ start: code.address, size: code.length, unwind }));
}

/** A patch is over: its code is no code any more. */
export function forgetCode({ known, watches, waiting }: Context, id: string): void {
  known.get(id)?.();
  known.delete(id);
  watches.delete(id);
  waiting.delete(id);
}

/** @throws GuestError `guest-patch-unknown`. */
export function patchOf({ journal }: Context, id: string): LedgerPatch {
  const patch = journal.ledger.patches.find(({ plan }) => plan.id === id);
  if (patch !== undefined) return patch;
  const ids = journal.ledger.patches.map(({ plan }) => plan.id);
  throw new GuestError('guest-patch-unknown', `The guest has no patch ${id}.`, {
    hint: ids.length === 0 ? 'It has none at all.' : `It has: ${ids.join(', ')}.`,
  });
}

const STATES: Readonly<Record<LedgerPatch['phase'], PatchState>> = {
  planned: 'applying',
  switching: 'applying',
  transitioning: 'transitioning',
  complete: 'complete',
  reverting: 'reverting',
  retiring: 'retiring',
};

export function statusOf({ journal, waiting }: Context, { plan, phase }: LedgerPatch): PatchStatus {
  return { ...describe(plan, journal), state: STATES[phase], waitingFor: waiting.get(plan.id) ?? [] };
}

/** A patch that the ledger does not have any more. */
export function retiredStatus({ journal }: Context, plan: PatchPlan): PatchStatus {
  return { ...describe(plan, journal), state: 'retired', waitingFor: [] };
}

function describe(plan: PatchPlan, { ledger }: Journal): Omit<PatchStatus, 'state' | 'waitingFor'> {
  const above = ledger.patches
    .slice(ledger.patches.findIndex((each) => each.plan.id === plan.id) + 1)
    .filter(({ phase }) => phase !== 'retiring');
  return {
    id: plan.id,
    name: plan.name,
    file: plan.file,
    appliedAt: plan.at,
    functions: plan.sites.map(({ object, name, position, kind, oldAddress }) => ({
      ...{ object, name, position, kind },
      coveredBy:
        above.findLast((each) => each.plan.sites.some((site) => site.oldAddress === oldAddress))?.plan.id ??
        null,
    })),
    codeBytes: plan.code.length,
    dataBytes: plan.data?.length ?? 0,
  };
}
