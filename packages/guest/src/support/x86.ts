/** Instructions that both the linker and the switch of functions write or look for (Intel SDM, volume 2). */

/** `call` with a 32-bit distance. */
export const CALL = 0xe8;
/** `jmp` with a 32-bit distance. */
export const JUMP = 0xe9;
/** What `call` and `jmp` with a 32-bit distance take. */
export const BRANCH_BYTES = 5;
export const INT3 = 0xcc;
/** A segment override that changes nothing in 64-bit mode: the kernel writes it over a LOCK prefix. */
export const DS_PREFIX = 0x3e;
/** One instruction as long as a call: what ftrace leaves where `call __fentry__` was (arch/x86/kernel/ftrace.c). */
export const NOP5 = Buffer.from('0f1f440000', 'hex');
export const ENDBR = Buffer.from('f30f1efa', 'hex');
/** A NOP that is no ENDBR: what Linux 6.1 makes of those that nothing jumps to (gen_endbr_poison, asm/ibt.h). */
export const ENDBR_POISON = Buffer.from('660f1f00', 'hex');

/** `call goal` or `jmp goal` at an address; null when it is out of reach. */
export function branchTo(opcode: typeof CALL | typeof JUMP, goal: bigint, address: bigint): Buffer | null {
  const distance = BigInt.asIntN(64, goal - (address + BigInt(BRANCH_BYTES)));
  if (BigInt.asIntN(32, distance) !== distance) return null;
  const bytes = Buffer.alloc(BRANCH_BYTES, opcode);
  bytes.writeInt32LE(Number(distance), 1);
  return bytes;
}
