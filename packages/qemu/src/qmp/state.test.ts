import { expect, test } from 'vitest';
import { QmpIllegalTransitionError } from '../errors.ts';
import type { QmpGreeting } from './messages.ts';
import { INITIAL_STATE, type QmpInput, type QmpState, transition } from './state.ts';

const greeting: QmpGreeting = {
  version: { qemu: { major: 10, minor: 0, micro: 13 }, package: '' },
  capabilities: ['oob'],
};
const STATES: Readonly<Record<QmpState['kind'], QmpState>> = {
  connecting: INITIAL_STATE,
  negotiating: { kind: 'negotiating', greeting },
  ready: { kind: 'ready', greeting },
  closed: { kind: 'closed', reason: { kind: 'quit' } },
};
const INPUTS: Readonly<Record<QmpInput['kind'], QmpInput>> = {
  greeting: { kind: 'greeting', greeting },
  negotiated: { kind: 'negotiated' },
  close: { kind: 'close', reason: { kind: 'closed-by-us' } },
};

test('a connection goes from connecting over negotiating to ready, keeping the greeting', () => {
  const negotiating = transition(STATES.connecting, INPUTS.greeting);
  expect(negotiating).toEqual({ kind: 'negotiating', greeting });
  expect(transition(negotiating, INPUTS.negotiated)).toEqual({ kind: 'ready', greeting });
});

test.each(['connecting', 'negotiating', 'ready'] as const)('a connection may close when %s', (kind) => {
  expect(transition(STATES[kind], INPUTS.close)).toEqual({
    kind: 'closed',
    reason: { kind: 'closed-by-us' },
  });
});

test('the first reason for closing stands', () => {
  expect(transition(STATES.closed, INPUTS.close)).toBe(STATES.closed);
});

test.each([
  ['negotiating', 'greeting', 'negotiating'],
  ['ready', 'greeting', 'negotiating'],
  ['closed', 'greeting', 'negotiating'],
  ['connecting', 'negotiated', 'ready'],
  ['ready', 'negotiated', 'ready'],
  ['closed', 'negotiated', 'ready'],
] as const)('%s with %s is refused, naming both states', (from, input, to) => {
  const error = new QmpIllegalTransitionError(from, to);
  expect(() => transition(STATES[from], INPUTS[input])).toThrow(error);
});
