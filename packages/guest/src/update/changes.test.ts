import { expect, test } from 'vitest';
import type { PatchPlan } from '../journal/index.ts';
import { forward, inverse } from './changes.ts';

const NOP = Buffer.from('0f1f440000', 'hex');
const JUMP = Buffer.from('e900100000', 'hex');
const OTHER_JUMP = Buffer.from('e900200000', 'hex');
const LONG_JUMP = Buffer.from('e900100000cc', 'hex');
/** push %rbp; mov %rsp,%rbp; push %r12: a function that ftrace has no NOP in. */
const INSTRUCTIONS = Buffer.from('554889e54154', 'hex');

const site = (at: bigint, expected: Buffer, jump: Buffer) => ({ name: `f${at}`, at, expected, jump });
const plan = {
  id: 'fix',
  sites: [site(1n, NOP, JUMP), site(2n, INSTRUCTIONS, LONG_JUMP), site(3n, OTHER_JUMP, JUMP)],
  restores: [
    { at: 4n, expected: JUMP, original: NOP },
    { at: 5n, expected: LONG_JUMP, original: INSTRUCTIONS },
  ],
} as unknown as PatchPlan;

test('threads are looked for only where several instructions are overwritten', () => {
  expect(forward(plan).map(({ at, moved }) => [at, moved])).toEqual([
    [1n, false],
    [2n, true],
    [3n, false],
    [4n, false],
    [5n, false],
  ]);
});

test('what takes changes back expects what they made, and looks for threads in what came back by them', () => {
  expect(inverse(forward(plan))).toEqual([
    { name: 'f1', at: 1n, expected: JUMP, bytes: NOP, moved: false },
    { name: 'f2', at: 2n, expected: LONG_JUMP, bytes: INSTRUCTIONS, moved: false },
    { name: 'f3', at: 3n, expected: JUMP, bytes: OTHER_JUMP, moved: false },
    {
      name: 'a function that only what fix replaces had patched',
      ...{ at: 4n, expected: NOP, bytes: JUMP, moved: false },
    },
    {
      name: 'a function that only what fix replaces had patched',
      ...{ at: 5n, expected: INSTRUCTIONS, bytes: LONG_JUMP, moved: true },
    },
  ]);
});
