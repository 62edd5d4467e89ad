import type { PlanStep } from '@exuvia/contract';
import { isEnded, type UpdateState } from '../journal/index.ts';

/** What an agent that has just started has to do about an update that it finds in the journal. */
export type Recovery =
  /** It has ended. */
  | { readonly kind: 'nothing' }
  /** The agent ended, the host did not: everything that was begun is undone. */
  | { readonly kind: 'undo' }
  /** The jump has happened: this is the new side. */
  | { readonly kind: 'finish' }
  /** The host went down before the point of no return, or while the update was being undone. */
  | { readonly kind: 'host-died' };

/**
 * Decides from the journal and the boot id alone. Pure.
 *
 * A commit record in the same boot is no proof of a jump: the program that would have jumped is gone. A handover that
 * stays in the boot (`staysInBoot`) goes forward from there; its VMs end with the boot. An undo that was begun before
 * another boot is not gone on with: its steps were of the old side.
 */
export function decideRecovery(state: UpdateState, bootIdNow: string, staysInBoot = false): Recovery {
  if (isEnded(state.view.state)) return { kind: 'nothing' };
  if (state.bootId === bootIdNow) {
    const forward = staysInBoot && state.committed && state.view.state !== 'undoing';
    return { kind: forward ? 'finish' : 'undo' };
  }
  if (staysInBoot) return { kind: 'host-died' };
  const finish = state.committed && state.view.state !== 'undoing';
  return finish ? { kind: 'finish' } : { kind: 'host-died' };
}

/**
 * The steps that may have changed something: those with a beginning in the journal, and, once the first step
 * inside the pause had begun, all that follow, whose records were only kept in memory. Pure.
 */
export function startedSteps<Some extends Pick<PlanStep, 'name' | 'phase'>>(
  steps: readonly Some[],
  begun: Readonly<Record<string, string>>,
): Some[] {
  const firstPaused = steps.findIndex((step) => step.phase !== null && begun[step.name] !== undefined);
  return steps.filter(
    (step, index) => begun[step.name] !== undefined || (firstPaused !== -1 && index > firstPaused),
  );
}
