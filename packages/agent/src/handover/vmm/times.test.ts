import { expect, test } from 'vitest';
import { timesOf } from './times.ts';

// A TSC of 1 GHz: a million cycles are a millisecond.
const RECORD = `clock 0 0
stamp begin - 100000000
stamp vm-stop-event web 102000000
stamp vm-suspended web 103000000
stamp vm-saved web 109000000
stamp restored web 109500000
stamp resumed web 110000000
clock 200000000 200000000
`;

test('a transfer’s times are taken from the events of both QEMUs', () => {
  expect(timesOf(RECORD)).toEqual({ 'VM suspend': 1, 'VM save': 6.5, 'VM resume': 0.5 });
});

test('a replacement in place has its own', () => {
  expect(timesOf('in-place 10 14.5 20 60\n')).toEqual({
    'VM save': 4.5,
    'QEMU shutdown': 5.5,
    'VM restore': 40,
  });
});

test('without a record nothing is made up', () => {
  expect(timesOf('')).toBe(null);
  expect(timesOf(RECORD.replace(/^stamp resumed.*\n/m, ''))).toBe(null);
});
