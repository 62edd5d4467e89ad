import { describe, expect, test } from 'vitest';
import type { GuestKernel } from '../kinds.ts';
import { testTarget } from '../testing/link-target.ts';
import { findHead } from './head.ts';

const FUNCTION = 0xffff_ffff_8120_0000n;
const TABLES = 0xffff_ffff_8180_0000n;
const SIZE = 32;

/** A kernel that has one function, `f`, with these bytes at its head; the rest of it is `int3`. */
function kernelWith(head: string, jumpLabelAt?: bigint): GuestKernel {
  const code = Buffer.alloc(SIZE, 0xcc);
  Buffer.from(head.replaceAll(' ', ''), 'hex').copy(code);
  const table = Buffer.alloc(16);
  table.writeInt32LE(Number((jumpLabelAt ?? TABLES) - TABLES), 0);
  const target = testTarget({
    symbols: {
      f: FUNCTION,
      ftrace_caller: FUNCTION + 0x1000n,
      _sinittext: 0xffff_ffff_8300_0000n,
      _einittext: 0xffff_ffff_8310_0000n,
      __entry_text_start: 0xffff_ffff_8140_0000n,
      __entry_text_end: 0xffff_ffff_8140_1000n,
      __start___jump_table: TABLES,
      __stop___jump_table: TABLES + 16n,
    },
    memory: new Map([
      [FUNCTION, code],
      [TABLES, table],
    ]),
  });
  return target as unknown as GuestKernel;
}

const ENDBR = 'f30f1efa';
const NOP = '0f1f440000';
const head = (bytes: string, label?: bigint) => findHead(kernelWith(bytes, label), 'f', FUNCTION, SIZE);

describe('a function that ftrace knows', () => {
  test.each([
    ['without a landing pad', NOP, 0n],
    ['behind endbr64', ENDBR + NOP, 4n],
    ['behind an endbr64 that 6.1 has poisoned', `660f1f00${NOP}`, 4n],
    ['behind one that 6.15 has', `0f1f40d6${NOP}`, 4n],
  ])('%s is diverted at its NOP', async (_, bytes, offset) => {
    expect(await head(`${bytes} 55 48 89 e5 c3`)).toEqual({
      at: FUNCTION + offset,
      kind: 'fentry',
      bytes: Buffer.from(NOP, 'hex'),
    });
  });
});

describe('a function without fentry', () => {
  test('gives as many whole instructions as a jump needs', async () => {
    // push rbp; mov rbp,rsp; sub rsp,16; ret
    expect(await head('55 4889e5 4883ec10 c3')).toEqual({
      at: FUNCTION,
      kind: 'moved',
      bytes: Buffer.from('554889e54883ec10', 'hex'),
    });
  });

  test.each([
    [
      'ends in its first bytes',
      '31c0 c3',
      'f calls or ends in its first 5 bytes: there is no room for a jump in it.',
    ],
    [
      'calls in its first bytes',
      '55 ffd0 c3',
      'f calls or ends in its first 5 bytes: there is no room for a jump in it.',
    ],
    ['is no code', '06 06 06 06 06', 'The first bytes of f are no instructions.'],
    [
      'loops to its head',
      '4889f8 4883c001 ebf7 c3',
      'f jumps back to 0xffffffff81200000, where a jump is to go.',
    ],
    [
      'begins with a lock',
      'f0 48ff07 31c0 c3',
      'f begins with a locked instruction, which the guest may rewrite.',
    ],
    [
      'has a breakpoint behind its first instruction',
      '55 cc 89e5 31c0 c3',
      'f is probed: there is a breakpoint (kprobe) in its first instructions.',
    ],
  ])('is refused when it %s', async (_, bytes, message) => {
    await expect(head(bytes)).rejects.toMatchObject({ code: 'guest-site-refused', message });
  });

  test('is refused when the kernel rewrites its head for a static key', async () => {
    await expect(head('55 0f1f440000 c3', FUNCTION + 1n)).rejects.toThrow(
      'The first instructions of f belong to a static key, which the guest may use or rewrite.',
    );
  });
});

describe('a function that somebody uses already is refused:', () => {
  const call = Buffer.alloc(5, 0xe8);
  call.writeInt32LE(0x1000 - 9, 1);
  test.each([
    ['traced', `${ENDBR}${call.toString('hex')}`, 'f is traced: its entry calls ftrace_caller.'],
    ['probed', `${ENDBR}cc1f440000`, 'f is probed: there is a breakpoint (kprobe) at its entry.'],
    [
      'probed before its landing pad',
      `cc0f1efa${'90'.repeat(8)}`,
      'f is probed: there is a breakpoint (kprobe) at its entry.',
    ],
    [
      'patched',
      `${ENDBR}e900100000`,
      'f begins with a jump that this journal does not know: somebody else has patched or probed it.',
    ],
  ])('%s', async (_, bytes, message) => {
    await expect(head(bytes)).rejects.toMatchObject({ code: 'guest-site-refused', message });
  });
});

test('code of the start and of the entry is refused', async () => {
  const kernel = kernelWith(NOP);
  await expect(findHead(kernel, 'f', 0xffff_ffff_8300_0010n, 16)).rejects.toThrow(
    "f belongs to the kernel's start and is not there any more.",
  );
  await expect(findHead(kernel, 'f', 0xffff_ffff_8140_0ff0n, 16)).rejects.toThrow(
    'f is entry code, which also runs with the page tables of user mode.',
  );
});
