import { expect, test } from 'vitest';
import type { OrcEntry } from './orc-format.ts';
import { type Unwinder, unwind } from './unwind.ts';

const CALL: OrcEntry = {
  kind: 'call',
  stackBase: 'sp',
  stackOffset: 8,
  frameBase: 'undefined',
  frameOffset: 0,
  signal: false,
};
const END: OrcEntry = { ...CALL, kind: 'end' };
const REGS: OrcEntry = { ...CALL, kind: 'regs', stackOffset: 0, signal: true };
const START = { ip: 0x100n, sp: 0x8000n, bp: 0n, savedAt: null, interrupted: true };

/** Code by address, and stacks of words. */
function guest(
  code: Readonly<Record<number, OrcEntry>>,
  stacks: Readonly<Record<number, readonly bigint[]>>,
): Unwinder {
  const starts = Object.keys(stacks).map(Number);
  const stackOf = (address: bigint) => {
    const index = starts.findIndex(
      (start) => address >= BigInt(start) && address < BigInt(start + 8 * (stacks[start]?.length ?? 0)),
    );
    return index < 0 ? null : index;
  };
  return {
    entryAt: (address) => code[Number(address >> 8n)] ?? null,
    stackOf,
    word(address) {
      const index = stackOf(address);
      const start = index === null ? undefined : starts[index];
      return start === undefined || address % 8n !== 0n
        ? null
        : (stacks[start]?.[Number(address - BigInt(start)) / 8] ?? null);
    },
    obstacle: (address) => (address === 0x9900n ? 'a return address was replaced by a tracer' : null),
  };
}

test('calls are followed to where a thread begins', () => {
  const stack = unwind(START, guest({ 1: CALL, 2: CALL, 3: END }, { 32768: [0x250n, 0x350n] }));
  expect(stack).toEqual({
    complete: true,
    frames: [
      { address: 0x100n, savedAt: null },
      { address: 0x250n, savedAt: 0x8000n },
      { address: 0x350n, savedAt: 0x8008n },
    ],
  });
});

test('an address behind a call belongs to the call, also at the end of a function', () => {
  // 0x300 is the first address of code that knows no entry; the call lies in 0x2ff.
  const stack = unwind(START, guest({ 1: CALL, 2: END }, { 32768: [0x300n] }));
  expect(stack.complete).toBe(true);
});

test('registers that were saved on the way from user mode end a stack', () => {
  const words = Array<bigint>(21).fill(0n);
  words[16] = 0x40_1000n;
  words[17] = 0x33n;
  const stack = unwind(START, guest({ 1: CALL, 2: REGS }, { 32768: [0x250n, ...words] }));
  expect(stack).toMatchObject({ complete: true, frames: [{}, { address: 0x250n }] });
});

test('an interrupt of the kernel is followed, and RBP comes from what it saved', () => {
  const words = Array<bigint>(21).fill(0n);
  words[4] = 0x80d0n;
  words[16] = 0x300n;
  words[17] = 0x10n;
  words[19] = 0x80c0n;
  const byBp: OrcEntry = { ...CALL, stackBase: 'bp', stackOffset: 8 };
  const above = [0n, 0n, 0n, 0n, 0n, 0x450n];
  const stack = unwind(START, guest({ 1: REGS, 3: byBp, 4: END }, { 32768: [...words, ...above] }));
  expect(stack.complete).toBe(true);
  expect(stack.frames.map(({ address }) => address)).toEqual([0x100n, 0x300n, 0x450n]);
});

test('a walk goes over from an interrupt stack to that of the thread, and never back', () => {
  const onto: OrcEntry = { ...CALL, stackBase: 'sp-indirect', stackOffset: 8 };
  const code = { 1: onto, 2: onto, 3: END };
  const there = guest(code, { 32768: [0x4000n, 0n], 16384: [0x350n, 0n] });
  expect(unwind(START, there)).toMatchObject({ complete: true, frames: [{}, { savedAt: 0x4000n }] });
  const andBack = guest({ 1: onto, 2: onto }, { 32768: [0x4000n, 0x250n, 0n], 16384: [0x250n, 0x8008n, 0n] });
  expect(unwind(START, andBack)).toMatchObject({
    complete: false,
    reason: 'the stack does not go on above 0x4008',
  });
});

test.each([
  ['code that nothing is known of', {}, [0n], '0x100 is in no known code'],
  [
    'code that cannot be unwound',
    { 1: { ...CALL, kind: 'undefined' } },
    [0n],
    'the code at 0x100 cannot be unwound',
  ],
  [
    'a frame without a base',
    { 1: { ...CALL, stackBase: 'undefined' } },
    [0n],
    'the frame of 0x100 cannot be found',
  ],
  [
    'a frame in a register that is not known',
    { 1: { ...CALL, stackBase: 'r10' } },
    [0n],
    'the frame of 0x100 cannot be found',
  ],
  [
    'a frame beyond the stack',
    { 1: { ...CALL, stackOffset: 800 } },
    [0n],
    'the frame of 0x100 reaches beyond its stack',
  ],
  [
    'a saved RBP beyond the stack',
    { 1: { ...CALL, frameBase: 'bp' } },
    [0x250n],
    'RBP was saved beyond the stack of 0x100',
  ],
  [
    'a stack that goes down',
    { 1: { ...CALL, stackOffset: 0, stackBase: 'bp' } },
    [0x250n],
    'the frame of 0x100 reaches beyond its stack',
  ],
  ["a tracer's return address", { 1: CALL }, [0x9900n], 'a return address was replaced by a tracer'],
] as [string, Record<number, OrcEntry>, bigint[], string][])(
  '%s leaves a walk incomplete',
  (_, code, words, reason) => {
    expect(unwind(START, guest(code, { 32768: words }))).toMatchObject({ complete: false, reason });
  },
);

test('a stack that is one frame over and over is given up', () => {
  const still: OrcEntry = { ...CALL, stackOffset: 0, kind: 'regs' };
  const words = Array<bigint>(21).fill(0n);
  words[16] = 0x100n;
  words[17] = 0x10n;
  words[19] = 0x8000n;
  expect(unwind(START, guest({ 1: still }, { 32768: words }))).toMatchObject({
    complete: false,
    reason: 'the stack does not go on above 0x8000',
  });
});

test('a stack of a thousand frames is given up', () => {
  const stack = unwind(START, guest({ 1: CALL }, { 32768: Array<bigint>(1000).fill(0x150n) }));
  expect(stack).toMatchObject({ complete: false, reason: 'it has more than 512 frames' });
});
