import { GuestError } from '../errors.ts';
import { branchTo, CALL, ENDBR, INT3, JUMP } from '../support/x86.ts';
import type { Image, ImageByte } from './image.ts';
import { THUNK_BYTES } from './layout.ts';
import { padWithNops } from './nops.ts';
import { refuseEntry, type TableEntry, type Tables } from './tables.ts';
import type { LinkTarget } from './target.ts';

const REGISTERS = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'].concat(
  Array.from({ length: 8 }, (_, index) => `r${index + 8}`),
);
const STACK_POINTER = 4;
const CS_PREFIX = 0x2e;
const LFENCE = Buffer.from('0faee8', 'hex');

/**
 * Indirect branches of the patch, as apply_retpolines writes them (arch/x86/kernel/alternative.c): the call
 * of a thunk where the guest uses retpolines; a plain indirect branch where it does not (after an LFENCE, if
 * it wants that); or one through a thunk in the upper half of a cache line, against Indirect Target Selection.
 */
export function patchRetpolines(tables: Tables, image: Image, target: LinkTarget): void {
  const entries = tables.entries('retpolines', 4);
  if (entries.length === 0) return;
  const kind = branchKind(target);
  const thunks = new Map(
    REGISTERS.map((name, register) => [
      target.symbols.find(`__x86_indirect_thunk_${name}`)[0]?.address,
      register,
    ]),
  );
  const own = new OwnThunks(image);
  for (const entry of entries) {
    const site = readSite(entry, tables.target(entry, 0), thunks);
    if (kind === 'retpoline') continue;
    writeBranch(site, kind, own, entry);
  }
}

/** What an indirect branch of the guest is: read off its own thunk, which it has patched at boot. */
type BranchKind = 'retpoline' | 'lfence' | 'plain' | 'its';

function branchKind(target: LinkTarget): BranchKind {
  const thunk = target.symbols.find('__x86_indirect_thunk_rax')[0];
  if (thunk === undefined) return 'retpoline';
  const bytes = target.space.read(thunk.address, 16);
  // endbr64, where the thunk has one.
  const start = bytes.subarray(0, ENDBR.length).equals(ENDBR) ? ENDBR.length : 0;
  const code = bytes.subarray(start);
  if (code[0] === CALL) return 'retpoline';
  if (code.subarray(0, 3).equals(LFENCE) && isJumpRax(code.subarray(3))) return 'lfence';
  if (isJumpRax(code)) return usesItsThunks(target) ? 'its' : 'plain';
  throw new GuestError(
    'guest-indirect-thunk',
    `__x86_indirect_thunk_rax of the guest is none of the thunks that its kernel can choose (${bytes.toString('hex')}).`,
  );
}

function isJumpRax(bytes: Buffer): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xe0;
}

/** its_select_mitigation (arch/x86/kernel/cpu/bugs.c) chooses the thunks for returns and for indirect branches together. */
function usesItsThunks({ symbols, space }: LinkTarget): boolean {
  const variable = symbols.find('x86_return_thunk')[0];
  const its = symbols.find('its_return_thunk')[0];
  if (variable === undefined || its === undefined) return false;
  return space.read(variable.address, 8).readBigUInt64LE() === its.address;
}

interface Site extends ImageByte {
  readonly bytes: Buffer;
  readonly register: number;
  readonly calls: boolean;
  /** A conditional jump's opcode (0x80 ... 0x8f); null for the others. */
  readonly condition: number | null;
}

function readSite(entry: TableEntry, byte: ImageByte, thunks: ReadonlyMap<bigint | undefined, number>): Site {
  const { buffer, offset, address, region } = byte;
  if (region !== 'code') refuseEntry(entry, 'it does not lie in code');
  const prefixed = buffer[offset] === CS_PREFIX ? 1 : 0;
  const opcode = buffer[offset + prefixed] ?? 0;
  const conditional = opcode === 0x0f && ((buffer[offset + prefixed + 1] ?? 0) & 0xf0) === 0x80;
  const length = prefixed + (conditional ? 6 : 5);
  const bytes = buffer.subarray(offset, offset + length);
  if (bytes.length < length || (!conditional && opcode !== CALL && opcode !== JUMP)) {
    refuseEntry(entry, 'there is no branch to an indirect branch thunk');
  }
  const goal = BigInt.asUintN(64, address + BigInt(length) + BigInt(bytes.readInt32LE(length - 4)));
  const register = thunks.get(goal);
  if (register === undefined || register === STACK_POINTER) {
    return refuseEntry(entry, 'there is no branch to an indirect branch thunk');
  }
  const condition = conditional ? (bytes[prefixed + 1] ?? 0) : null;
  return { ...byte, bytes, register, calls: opcode === CALL, condition };
}

/** patch_retpoline: a conditional branch becomes the opposite short one around an unconditional indirect one. */
function writeBranch(site: Site, kind: BranchKind, own: OwnThunks, entry: TableEntry): void {
  const { bytes, condition, register, calls } = site;
  const inLowerHalf = (at: number) => ((site.address + BigInt(at)) & 0x20n) === 0n;
  const out: number[] = [];
  if (condition !== null) out.push(0x70 | ((condition ^ 1) & 0xf), bytes.length - 2);
  if (kind === 'lfence') out.push(...LFENCE);
  if (kind === 'its' && inLowerHalf(out.length)) {
    const branch = branchTo(calls ? CALL : JUMP, own.of(register), site.address + BigInt(out.length));
    out.push(...(branch ?? refuseEntry(entry, 'its thunk is too far away')));
  } else {
    out.push(...indirect(register, calls));
    // Straight-line speculation behind a jump.
    if (!calls && out.length < bytes.length) out.push(INT3);
  }
  if (out.length > bytes.length) {
    // An LFENCE before a branch of five bytes: the thunk, to which it already goes, has one.
    if (kind === 'lfence') return;
    refuseEntry(entry, 'the branch that the guest uses does not fit');
  }
  bytes.set(out);
  padWithNops(bytes, out.length);
}

function indirect(register: number, calls: boolean): number[] {
  const modrm = (calls ? 0xd0 : 0xe0) | (register & 7);
  return register >= 8 ? [0x41, 0xff, modrm] : [0xff, modrm];
}

/** Thunks in the upper halves of cache lines, in the room that the layout keeps for them. */
class OwnThunks {
  readonly #image: Image;

  constructor(image: Image) {
    this.#image = image;
  }

  of(register: number): bigint {
    const { buffers, bases, layout } = this.#image;
    const offset = layout.thunks + register * THUNK_BYTES + THUNK_BYTES / 2;
    buffers.code.set([...indirect(register, false), INT3], offset);
    return bases.code + BigInt(offset);
  }
}
