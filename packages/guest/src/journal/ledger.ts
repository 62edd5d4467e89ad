import { GuestError } from '../errors.ts';
import type { Area, JournalRecord, PatchPlan, Window } from './records.ts';

/**
 * How far a patch is:
 *
 *     planned -> switching -> transitioning -> complete -> reverting -> retiring
 *
 * Up to `switching` it may be in the guest or not. `transitioning`: threads may still be in what it replaces;
 * `retiring`: out of use, but threads may still be in its own code.
 */
export type Phase = 'planned' | 'switching' | 'transitioning' | 'complete' | 'reverting' | 'retiring';

export interface LedgerPatch {
  readonly plan: PatchPlan;
  readonly phase: Phase;
}

/** What a journal says about a guest. */
export interface Ledger {
  readonly kernel: {
    readonly release: string;
    readonly buildId: string;
    readonly epoch: string;
    readonly filler: readonly Area[];
  } | null;
  readonly window: Window | null;
  /** In the order in which they were applied; those that are over are not in it. */
  readonly patches: readonly LedgerPatch[];
  /** Code addresses that have held a patch since the boot. */
  readonly used: readonly Area[];
}

export const EMPTY_LEDGER: Ledger = { kernel: null, window: null, patches: [], used: [] };

/** The phases in which a record of a kind may come, and the phase it leads to; null: the patch is over. */
const STEPS = {
  switching: { from: ['planned'], to: 'switching' },
  switched: { from: ['planned', 'switching'], to: 'transitioning' },
  complete: { from: ['transitioning'], to: 'complete' },
  undone: { from: ['planned', 'switching'], to: null },
  reverting: { from: ['transitioning', 'complete'], to: 'reverting' },
  reverted: { from: ['reverting'], to: 'retiring' },
  retired: { from: ['retiring'], to: null },
  lost: { from: ['transitioning', 'complete', 'reverting', 'retiring'], to: null },
} as const satisfies Record<string, { from: readonly Phase[]; to: Phase | null }>;

/** The ledger after one more record. @throws GuestError `guest-journal-damaged` when it cannot follow. */
export function follow(ledger: Ledger, record: JournalRecord): Ledger {
  switch (record.kind) {
    case 'opened': {
      const { release, buildId, epoch, filler } = record;
      return { ...EMPTY_LEDGER, kernel: { release, buildId, epoch, filler } };
    }
    case 'window':
      return { ...ledger, window: record.window };
    case 'used':
      return { ...ledger, used: merge([...ledger.used, ...record.areas]) };
    case 'planned':
      if (ledger.patches.some(({ plan }) => plan.id === record.patch.id)) {
        throw contradiction(`patch ${record.patch.id} is planned twice`);
      }
      return {
        ...ledger,
        patches: [...ledger.patches, { plan: record.patch, phase: 'planned' }],
        used: merge([...ledger.used, record.patch.code]),
      };
    default:
      return { ...ledger, patches: step(ledger.patches, record.kind, record.id) };
  }
}

function step(patches: readonly LedgerPatch[], kind: keyof typeof STEPS, id: string): LedgerPatch[] {
  const { from, to } = STEPS[kind];
  const patch = patches.find(({ plan }) => plan.id === id);
  if (patch === undefined) throw contradiction(`patch ${id} is ${kind} without having been planned`);
  if (!(from as readonly Phase[]).includes(patch.phase)) {
    throw contradiction(`patch ${id} is ${kind} while it was ${patch.phase}`);
  }
  return patches.flatMap((each): LedgerPatch[] => {
    if (each.plan.id === id) return to === null ? [] : [{ ...each, phase: to }];
    const replaced = kind === 'switched' && patch.plan.replaces.includes(each.plan.id);
    return [replaced ? { ...each, phase: 'retiring' } : each];
  });
}

/** Sorted, without overlaps, neighbours joined. */
function merge(areas: readonly Area[]): Area[] {
  const merged: Area[] = [];
  for (const area of [...areas].sort((a, b) => (a.address < b.address ? -1 : 1))) {
    const last = merged.at(-1);
    const end = area.address + BigInt(area.length);
    if (last === undefined || area.address > last.address + BigInt(last.length)) merged.push(area);
    else if (end > last.address + BigInt(last.length)) {
      merged[merged.length - 1] = { address: last.address, length: Number(end - last.address) };
    }
  }
  return merged;
}

function contradiction(why: string): GuestError {
  return new GuestError(
    'guest-journal-damaged',
    `The journal of the guest's patches contradicts itself: ${why}.`,
  );
}
