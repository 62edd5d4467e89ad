import { ExuviaError, type Update } from '@exuvia/contract';

export type UpdateStateName = Update['state'];

/** What moves an update from one state to the next. */
export type UpdateTransition =
  /** The first step begins during which VMs stand still. */
  | 'pause'
  /** The commit record is written, or the last step begins. */
  | 'jump'
  /** The agent of the new side has found the committed update. */
  | 'verify'
  | 'undo'
  | 'complete'
  | 'abort'
  | 'fail';

/*
 *   preparing --pause--> pausing --jump--> jumping --verify--> verifying --complete--> completed
 *       |                   |                |                     |
 *       +------undo---------+------undo------+                     +--fail--> failed
 *                           v
 *                        undoing --abort--> aborted      (fail: something could not be undone)
 */
const TRANSITIONS: Readonly<
  Record<UpdateStateName, Readonly<Partial<Record<UpdateTransition, UpdateStateName>>>>
> = {
  // `abort` without undo: nothing had begun. `fail` without undo: the host died, there is nothing to undo.
  preparing: { pause: 'pausing', jump: 'jumping', undo: 'undoing', abort: 'aborted', fail: 'failed' },
  pausing: { jump: 'jumping', undo: 'undoing', fail: 'failed' },
  jumping: { verify: 'verifying', undo: 'undoing', fail: 'failed' },
  verifying: { complete: 'completed', fail: 'failed' },
  undoing: { undo: 'undoing', abort: 'aborted', fail: 'failed' },
  completed: {},
  aborted: {},
  failed: {},
};

/** An update was asked to do what its state does not allow. `code` is `illegal-transition`. */
export class IllegalTransition extends ExuviaError {
  override readonly name: string = 'IllegalTransition';
  readonly state: UpdateStateName;
  readonly transition: UpdateTransition;

  constructor(state: UpdateStateName, transition: UpdateTransition) {
    super('illegal-transition', `An update that is ${state} cannot ${transition}.`);
    this.state = state;
    this.transition = transition;
  }
}

/** The state after a transition. Pure. Throws {@link IllegalTransition}. */
export function transition(state: UpdateStateName, by: UpdateTransition): UpdateStateName {
  const next = TRANSITIONS[state][by];
  if (next === undefined) throw new IllegalTransition(state, by);
  return next;
}

/** True for an update that nothing more will happen to. */
export function isEnded(state: UpdateStateName): boolean {
  return state === 'completed' || state === 'aborted' || state === 'failed';
}
