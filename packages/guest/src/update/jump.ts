import { GuestError } from '../errors.ts';
import { hex } from '../support/hex.ts';
import { branchTo, INT3, JUMP } from '../support/x86.ts';

/**
 * `jmp target`, made as long as what it takes the place of: what is left is filled with `int3`.
 *
 * @throws GuestError `guest-jump-too-far`.
 */
export function jumpTo(at: bigint, target: bigint, length: number): Buffer {
  const jump = branchTo(JUMP, target, at);
  if (jump === null) {
    throw new GuestError('guest-jump-too-far', `No jump reaches from ${hex(at)} to ${hex(target)}.`);
  }
  const bytes = Buffer.alloc(length, INT3);
  jump.copy(bytes);
  return bytes;
}
