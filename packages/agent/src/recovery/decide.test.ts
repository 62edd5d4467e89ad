import { expect, test } from 'vitest';
import { begin, record } from '../journal/records.testing.ts';
import { updateStates } from '../journal/states.ts';
import { decideRecovery, startedSteps } from './decide.ts';

const started = record({ kind: 'step-started', step: 'save' });
const commit = record({ kind: 'commit' });
const undoing = record({ kind: 'undo-started', step: 'save' });
const closed = record({ kind: 'closed', outcome: 'aborted' });

test.each([
  ['just begun, same boot', [], 'boot-1', 'undo'],
  ['committed, same boot', [started, commit], 'boot-1', 'undo'],
  ['being undone, same boot', [started, undoing], 'boot-1', 'undo'],
  ['closed, same boot', [started, undoing, closed], 'boot-1', 'nothing'],
  ['closed, other boot', [started, undoing, closed], 'boot-2', 'nothing'],
  ['just begun, other boot', [], 'boot-2', 'host-died'],
  ['not committed, other boot', [started], 'boot-2', 'host-died'],
  ['committed, other boot', [started, commit], 'boot-2', 'finish'],
  ['committed, then undone, other boot', [started, commit, undoing], 'boot-2', 'host-died'],
] as const)('an update that is %s', (_, records, bootId, expected) => {
  const state = updateStates([begin(), ...records]).get('u1');
  expect(state && decideRecovery(state, bootId)).toEqual({ kind: expected });
});

test.each([
  ['just begun, same boot', [started], 'boot-1', 'undo'],
  ['committed, same boot', [started, commit], 'boot-1', 'finish'],
  ['committed, then being undone, same boot', [started, commit, undoing], 'boot-1', 'undo'],
  ['committed, other boot', [started, commit], 'boot-2', 'host-died'],
] as const)('an update that stays in the boot and is %s', (_, records, bootId, expected) => {
  const state = updateStates([begin(), ...records]).get('u1');
  expect(state && decideRecovery(state, bootId, true)).toEqual({ kind: expected });
});

const steps = [
  { name: 'load', phase: null },
  { name: 'stop', phase: null },
  { name: 'save', phase: 'VM save' },
  { name: 'jump', phase: 'kernel shutdown' },
] as const;

test.each([
  ['nothing began', {}, []],
  ['the first step began', { load: '' }, ['load']],
  [
    'the first step of the pause began: those after it may have, too',
    { load: '', stop: '', save: '' },
    ['load', 'stop', 'save', 'jump'],
  ],
])('when %s', (_, begun, expected) => {
  expect(startedSteps(steps, begun).map((step) => step.name)).toEqual(expected);
});
