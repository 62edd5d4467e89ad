import { expect, test } from 'vitest';
import { isOver, judge } from './threads.ts';

const AREAS = [
  { address: 0x1000n, length: 0x20, name: 'old_read' },
  { address: 0x5000n, length: 0x10, name: 'old_read' },
];
const stack = (addresses: bigint[], complete = true) => ({
  frames: addresses.map((address) => ({ address, savedAt: null })),
  complete,
  ...(complete ? {} : { reason: 'it was paged out' }),
});

test('a thread is inside when any of its frames is, in any part of the function', () => {
  expect(judge(stack([0x9000n, 0x1010n, 0x8000n]), AREAS)).toEqual({ kind: 'inside', area: AREAS[0] });
  expect(judge(stack([0x5000n]), AREAS)).toEqual({ kind: 'inside', area: AREAS[1] });
});

test('the address behind a function belongs to it: it may end in a call that never returns', () => {
  expect(judge(stack([0x1020n]), AREAS).kind).toBe('inside');
  expect(judge(stack([0x1021n, 0xfffn]), AREAS)).toEqual({ kind: 'outside' });
});

test('a stack that is not understood to its end says nothing, unless it says that it is inside', () => {
  expect(judge(stack([0x9000n], false), AREAS)).toEqual({ kind: 'unknown', why: 'it was paged out' });
  expect(judge(stack([0x1000n], false), AREAS).kind).toBe('inside');
});

test('a processor in user mode is outside', () => {
  expect(judge(stack([]), AREAS)).toEqual({ kind: 'outside' });
});

test('only those who are dead never run again', () => {
  const states = [
    'running',
    'sleeping',
    'disk sleep',
    'stopped',
    'parked',
    'waking or new',
    'zombie',
    'dead',
  ];
  const task = { pid: 1, tgid: 1, comm: 'x', address: 0n, onCpu: null };
  expect(states.filter((state) => isOver({ ...task, state }))).toEqual(['zombie', 'dead']);
});
