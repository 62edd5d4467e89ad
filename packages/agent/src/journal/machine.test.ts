import { expect, test } from 'vitest';
import {
  IllegalTransition,
  isEnded,
  transition,
  type UpdateStateName,
  type UpdateTransition,
} from './machine.ts';

const STATES = [
  'preparing',
  'pausing',
  'jumping',
  'verifying',
  'undoing',
  'completed',
  'aborted',
  'failed',
] as const;
const TRANSITIONS = ['pause', 'jump', 'verify', 'undo', 'complete', 'abort', 'fail'] as const;

/** The whole machine once more, as a table that a reader can check against the picture. */
const LEGAL: Readonly<Record<UpdateStateName, string>> = {
  preparing: 'pause>pausing jump>jumping undo>undoing abort>aborted fail>failed',
  pausing: 'jump>jumping undo>undoing fail>failed',
  jumping: 'verify>verifying undo>undoing fail>failed',
  verifying: 'complete>completed fail>failed',
  undoing: 'undo>undoing abort>aborted fail>failed',
  completed: '',
  aborted: '',
  failed: '',
};

const all = STATES.flatMap((state) =>
  TRANSITIONS.map((by): [UpdateStateName, UpdateTransition] => [state, by]),
);

test.each(all)('an update that is %s and is to %s does what the table says', (state, by) => {
  const expected = LEGAL[state]
    .split(' ')
    .find((entry) => entry.startsWith(`${by}>`))
    ?.split('>')[1];
  if (expected !== undefined) {
    expect(transition(state, by)).toBe(expected);
    return;
  }
  const illegal = (() => {
    try {
      return transition(state, by);
    } catch (error) {
      return error;
    }
  })();
  expect(illegal).toBeInstanceOf(IllegalTransition);
  expect(illegal).toMatchObject({
    code: 'illegal-transition',
    message: `An update that is ${state} cannot ${by}.`,
    state,
    transition: by,
  });
});

test('exactly the states without a way out are ended', () => {
  expect(STATES.filter(isEnded)).toEqual(STATES.filter((state) => LEGAL[state] === ''));
});
