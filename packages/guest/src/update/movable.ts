import type { Instruction } from 'iced-x86';
import type { GuestKernel } from '../kinds.ts';
import { hex } from '../support/hex.ts';
import { BRANCH_BYTES, DS_PREFIX } from '../support/x86.ts';
import { refused } from './refused.ts';

/** A longer function without an fentry NOP is none that a compiler made. */
const MAX_FUNCTION = 65_536;

/**
 * The head of a function that has no NOP for a jump: as many whole instructions as a jump needs. Every call
 * of the function goes elsewhere afterwards, so nothing runs them again; what may not be is that anything
 * returns or jumps into them, or that the kernel itself writes to them or looks for them in a table. (That no
 * thread is in them is checked when they are overwritten.)
 *
 * @throws GuestError `guest-site-refused` naming what stands in the way.
 */
export async function movableHead(
  kernel: GuestKernel,
  name: string,
  address: bigint,
  size: number,
): Promise<Buffer> {
  if (size < BRANCH_BYTES || size > MAX_FUNCTION) {
    throw refused(`${name} has ${size} bytes: there is no room for a jump in it.`);
  }
  const code = kernel.space.read(address, size);
  const iced = await import('iced-x86');
  const decoder = new iced.Decoder(64, code, iced.DecoderOptions.None);
  const instruction = new iced.Instruction();
  decoder.ip = address;
  let length = 0;
  const targets: bigint[] = [];
  try {
    while (decoder.canDecode) {
      decoder.decodeOut(instruction);
      if (instruction.code === iced.Code.INVALID) {
        // Data or padding behind the last instruction; in the head itself it is no code that we know.
        if (length < BRANCH_BYTES) throw refused(`The first bytes of ${name} are no instructions.`);
        break;
      }
      if (length < BRANCH_BYTES) {
        requireMovable(name, instruction, iced, code[length] ?? 0);
        length += instruction.length;
      }
      if (isNearBranch(instruction, iced)) targets.push(instruction.nearBranchTarget);
    }
  } finally {
    instruction.free();
    decoder.free();
  }
  if (length > size) throw refused(`${name} has ${size} bytes: there is no room for a jump in it.`);
  const end = address + BigInt(length);
  const back = targets.find((target) => target >= address && target < end);
  if (back !== undefined) throw refused(`${name} jumps back to ${hex(back)}, where a jump is to go.`);
  requireInNoTable(kernel, name, address, end);
  return Buffer.from(code.subarray(0, length));
}

type Iced = typeof import('iced-x86');

/** A call in the head would be returned to; a lock prefix is rewritten when processors come and go. */
function requireMovable(name: string, instruction: Instruction, iced: Iced, firstByte: number): void {
  const { FlowControl } = iced;
  if (instruction.mnemonic === iced.Mnemonic.Int3) {
    throw refused(`${name} is probed: there is a breakpoint (kprobe) in its first instructions.`);
  }
  const movable: number[] = [
    FlowControl.Next,
    FlowControl.ConditionalBranch,
    FlowControl.UnconditionalBranch,
  ];
  if (!movable.includes(instruction.flowControl)) {
    throw refused(
      `${name} calls or ends in its first ${BRANCH_BYTES} bytes: there is no room for a jump in it.`,
    );
  }
  if (instruction.hasLockPrefix || firstByte === DS_PREFIX) {
    throw refused(`${name} begins with a locked instruction, which the guest may rewrite.`);
  }
}

function isNearBranch(instruction: Instruction, { FlowControl }: Iced): boolean {
  const { flowControl } = instruction;
  return flowControl === FlowControl.ConditionalBranch || flowControl === FlowControl.UnconditionalBranch;
}

/** Tables whose entries begin with a 32-bit distance from themselves to an instruction. */
const TABLES = [
  { section: '__jump_table', bytes: () => 16, what: 'a static key' },
  { section: 'static_call_sites', bytes: () => 8, what: 'a static call' },
  { section: '__ex_table', bytes: () => 12, what: 'an exception table entry' },
  {
    section: '__bug_table',
    bytes: ({ types }: GuestKernel) => types.sizeOf('bug_entry'),
    what: 'a bug table entry',
  },
] as const;

function requireInNoTable(kernel: GuestKernel, name: string, start: bigint, end: bigint): void {
  for (const { section, bytes, what } of TABLES) {
    const from = kernel.symbols.find(`__start_${section}`)[0]?.address;
    const to = kernel.symbols.find(`__stop_${section}`)[0]?.address;
    if (from === undefined || to === undefined) continue;
    const table = kernel.space.read(from, Number(to - from));
    const step = bytes(kernel);
    for (let at = 0; at + step <= table.length; at += step) {
      const instruction = from + BigInt(at) + BigInt(table.readInt32LE(at));
      if (instruction >= start && instruction < end) {
        throw refused(
          `The first instructions of ${name} belong to ${what}, which the guest may use or rewrite.`,
        );
      }
    }
  }
}
