import { GuestError } from '../errors.ts';
import { hex } from '../support/hex.ts';

/** The NOP that ftrace leaves where `call __fentry__` was (arch/x86/kernel/ftrace.c). One instruction. */
export const FENTRY_NOP = Buffer.from('0f1f440000', 'hex');
export const JUMP_BYTES = 5;

/**
 * `jmp target`, made as long as what it takes the place of: what is left is filled with `int3`.
 *
 * @throws GuestError `guest-jump-too-far`.
 */
export function jumpTo(at: bigint, target: bigint, length: number): Buffer {
  const distance = target - (at + BigInt(JUMP_BYTES));
  if (distance !== BigInt.asIntN(32, distance)) {
    throw new GuestError('guest-jump-too-far', `No jump reaches from ${hex(at)} to ${hex(target)}.`);
  }
  const bytes = Buffer.alloc(length, 0xcc);
  bytes[0] = 0xe9;
  bytes.writeInt32LE(Number(distance), 1);
  return bytes;
}
