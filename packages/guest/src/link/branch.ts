export const CALL = 0xe8;
export const JUMP = 0xe9;

/** `call goal` or `jmp goal` (five bytes) at an address; null when it is out of reach. */
export function branchTo(opcode: typeof CALL | typeof JUMP, goal: bigint, address: bigint): Buffer | null {
  const distance = BigInt.asIntN(64, goal - (address + 5n));
  if (BigInt.asIntN(32, distance) !== distance) return null;
  const bytes = Buffer.alloc(5, opcode);
  bytes.writeInt32LE(Number(distance), 1);
  return bytes;
}
