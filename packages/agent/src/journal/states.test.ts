import { expect, test } from 'vitest';
import { begin, record } from './records.testing.ts';
import { applyRecord, updateStates } from './states.ts';

const at = (second: number) => ({ at: `2026-11-21T10:00:0${second}.000Z` });
const stateOf = (...records: Parameters<typeof updateStates>[0]) =>
  updateStates([begin(), ...records]).get('u1')?.view;

test('an update that has begun is preparing, all its steps pending', () => {
  expect(stateOf()).toEqual({
    id: 'u1',
    state: 'preparing',
    handover: 'kexec',
    from: '6.12.107',
    to: '7.2.12',
    startedAt: '2026-11-21T10:00:00.000Z',
    finishedAt: null,
    reason: null,
    steps: [
      { name: 'load', phase: null, description: 'does load', state: 'pending', ms: null },
      { name: 'save', phase: 'VM suspend', description: 'does save', state: 'pending', ms: null },
      { name: 'jump', phase: 'kernel shutdown', description: 'does jump', state: 'pending', ms: null },
    ],
  });
});

test('a step is running, then done with the time it took', () => {
  const running = [begin(), record({ kind: 'step-started', step: 'load' }, at(1))];
  expect(updateStates(running).get('u1')?.view.steps[0]).toMatchObject({ state: 'running', ms: null });
  const done = [...running, record({ kind: 'step-done', step: 'load' }, at(3))];
  expect(updateStates(done).get('u1')?.view.steps[0]).toMatchObject({ state: 'done', ms: 2000 });
});

test('the first step with a phase pauses, the last one jumps', () => {
  const pausing = [
    record({ kind: 'step-started', step: 'load' }),
    record({ kind: 'step-started', step: 'save' }),
  ];
  expect(stateOf(...pausing)?.state).toBe('pausing');
  expect(stateOf(...pausing, record({ kind: 'step-started', step: 'jump' }))?.state).toBe('jumping');
  expect(stateOf(...pausing, record({ kind: 'commit' }))?.state).toBe('jumping');
});

test('records of the pause that come after the commit record change no state', () => {
  const view = stateOf(
    record({ kind: 'step-started', step: 'save' }),
    record({ kind: 'commit' }),
    record({ kind: 'step-done', step: 'save' }),
    record({ kind: 'step-started', step: 'jump' }),
  );
  expect(view?.state).toBe('jumping');
});

test('a failed step keeps its mark while it is undone, and the update says why it was aborted', () => {
  const view = stateOf(
    record({ kind: 'step-started', step: 'load' }),
    record({ kind: 'step-done', step: 'load' }),
    record({ kind: 'step-started', step: 'save' }),
    record({ kind: 'step-failed', step: 'save', error: 'No space.' }),
    record({ kind: 'undo-started', step: 'save' }),
    record({ kind: 'undo-done', step: 'save' }),
    record({ kind: 'undo-started', step: 'load' }),
    record({ kind: 'undo-done', step: 'load' }),
    record({ kind: 'closed', outcome: 'aborted', reason: 'Step save failed: No space.' }, at(9)),
  );
  expect(view).toMatchObject({
    state: 'aborted',
    reason: 'Step save failed: No space.',
    finishedAt: '2026-11-21T10:00:09.000Z',
  });
  expect(view?.steps.map((step) => step.state)).toEqual(['undone', 'failed', 'pending']);
});

test('an update that is closed in another boot after its commit is completed with all its steps', () => {
  const view = stateOf(
    record({ kind: 'step-started', step: 'save' }),
    record({ kind: 'commit' }),
    record({ kind: 'closed', outcome: 'completed' }, { bootId: 'boot-2' }),
  );
  expect(view).toMatchObject({ state: 'completed', reason: null });
  expect(view?.steps.map((step) => step.state)).toEqual(['done', 'done', 'done']);
});

test('an update cannot be completed on the side where it began', () => {
  const jumping = [begin(), record({ kind: 'step-started', step: 'save' }), record({ kind: 'commit' })];
  const state = updateStates(jumping).get('u1');
  expect(() => applyRecord(state, record({ kind: 'closed', outcome: 'completed' }))).toThrow(
    'An update that is jumping cannot complete.',
  );
});

test('two updates in one journal do not mix', () => {
  const other = { ...begin(), update: 'u2' };
  const states = updateStates([begin(), other, record({ kind: 'closed', outcome: 'failed' })]);
  expect([...states].map(([id, state]) => [id, state.view.state])).toEqual([
    ['u1', 'failed'],
    ['u2', 'preparing'],
  ]);
});
