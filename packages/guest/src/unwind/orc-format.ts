import { GuestError } from '../errors.ts';
import type { Btf } from '../types/btf.ts';
import { memberAt } from '../types/types.ts';

/** What the stack pointer of the calling frame is computed from. */
type StackBase = 'undefined' | 'sp' | 'bp' | 'sp-indirect' | 'bp-indirect' | 'r10' | 'r13' | 'dx' | 'di';
/** How the caller's RBP is found. */
type FrameBase = 'undefined' | 'previous-sp' | 'bp';
export type EntryKind = 'undefined' | 'end' | 'call' | 'regs' | 'regs-partial';

/** One row of an unwind table. */
export interface OrcEntry {
  readonly kind: EntryKind;
  readonly stackBase: StackBase;
  readonly stackOffset: number;
  readonly frameBase: FrameBase;
  readonly frameOffset: number;
  /** The frame above was interrupted: its address is that of an instruction, not behind a call. */
  readonly signal: boolean;
}

/**
 * How a kernel encodes ORC entries. Always two 16-bit offsets, then 16 bits of fields; what differs
 * (arch/x86/include/asm/orc_types.h):
 * - `end` instead of two more kinds, and no `signal` bit: up to 6.3.
 * - the numbers of the registers: other ones since 7.1.
 */
export interface OrcFormat {
  readonly numbering: 'before-7.1' | 'since-7.1';
  decode(low: number, high: number, fields: number): OrcEntry | null;
}

export const ORC_ENTRY_BYTES = 6;

const BEFORE_7_1: Readonly<Record<number, StackBase>> = {
  0: 'undefined',
  2: 'dx',
  3: 'di',
  4: 'bp',
  5: 'sp',
  6: 'r10',
  7: 'r13',
  8: 'bp-indirect',
  9: 'sp-indirect',
};
const SINCE_7_1: Readonly<Record<number, StackBase>> = {
  0: 'undefined',
  1: 'dx',
  2: 'di',
  3: 'sp',
  4: 'bp',
  6: 'r10',
  7: 'r13',
  9: 'sp-indirect',
  10: 'bp-indirect',
};
const NUMBERINGS = {
  'before-7.1': { stack: BEFORE_7_1, previousSp: 1, sp: 5 },
  'since-7.1': { stack: SINCE_7_1, previousSp: 8, sp: 3 },
} as const;

const BP = 4;

/** Numbers of the kinds, since 6.4 and before. */
const KINDS: readonly EntryKind[] = ['undefined', 'end', 'call', 'regs', 'regs-partial'];
const KINDS_WITH_END: readonly EntryKind[] = ['call', 'regs', 'regs-partial'];

/**
 * The format that a kernel's own type `struct orc_entry` shows, with the register numbers that entries of
 * ordinary functions use: at its first instruction, every function finds its return address at RSP.
 *
 * @param firstRegister the register field of the entries at the start of some functions.
 * @throws GuestError `guest-orc` when the fields are not where one of the known formats has them, or the
 * functions do not agree on a known number for RSP.
 */
export function orcFormat(btf: Btf, firstRegister: readonly number[]): OrcFormat {
  const fields = orcFields(btf);
  const [stackPointer] = firstRegister;
  const numbering = (['before-7.1', 'since-7.1'] as const).find(
    (name) => NUMBERINGS[name].sp === stackPointer,
  );
  if (numbering === undefined || firstRegister.some((register) => register !== stackPointer)) {
    throw new GuestError(
      'guest-orc',
      `The kernel's unwind tables (ORC) are not understood: the numbers of their registers are unknown (${firstRegister.join(', ')} for RSP).`,
    );
  }
  const { stack, previousSp } = NUMBERINGS[numbering];
  const frameBase = (register: number): FrameBase | undefined => {
    if (register === previousSp) return 'previous-sp';
    return register === BP ? 'bp' : register === 0 ? 'undefined' : undefined;
  };
  return {
    numbering,
    decode(stackOffset, frameOffset, bits) {
      const stackBase = stack[bits & 15];
      const frame = frameBase((bits >>> 4) & 15);
      const isEnd = fields.end !== null && ((bits >>> fields.end) & 1) === 1;
      const kinds = fields.end === null ? KINDS : KINDS_WITH_END;
      const said = kinds[(bits >>> fields.type) & (2 ** fields.typeBits - 1)];
      if (stackBase === undefined || frame === undefined || said === undefined) return null;
      const kind = fields.end !== null && stackBase === 'undefined' ? (isEnd ? 'end' : 'undefined') : said;
      const signal = fields.signal === null ? kind !== 'call' : ((bits >>> fields.signal) & 1) === 1;
      return { kind, stackBase, stackOffset, frameBase: frame, frameOffset, signal };
    },
  };
}

interface Fields {
  readonly type: number;
  readonly typeBits: number;
  readonly signal: number | null;
  readonly end: number | null;
}

function orcFields(btf: Btf): Fields {
  const place = (name: string) => memberAt(btf, 'orc_entry', name);
  const bit = (name: string) => {
    const member = place(name);
    return member === null ? null : member.bitOffset - 32;
  };
  const type = place('type');
  const expected = [
    ['sp_offset', 0],
    ['bp_offset', 16],
    ['sp_reg', 32],
    ['bp_reg', 36],
  ] as const;
  for (const [name, bitOffset] of expected) {
    if (place(name)?.bitOffset !== bitOffset) throw unknownField(name);
  }
  const typeBits = type?.bits;
  if (type === null || typeof typeBits !== 'number' || typeBits > 4 || type.bitOffset !== 40)
    throw unknownField('type');
  return { type: 8, typeBits, signal: bit('signal'), end: bit('end') };
}

function unknownField(name: string): GuestError {
  return new GuestError(
    'guest-orc',
    `The kernel's unwind tables (ORC) are not understood: orc_entry.${name} is elsewhere.`,
  );
}
