/** An address or offset as it is written in messages and output: `0xffffffff81000000`. */
export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}
