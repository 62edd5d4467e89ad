/** The NOPs that the kernel uses, by length (arch/x86/include/asm/nops.h). */
const NOPS = [
  '90',
  '6690',
  '0f1f00',
  '0f1f4000',
  '0f1f440000',
  '660f1f440000',
  '0f1f8000000000',
  '0f1f840000000000',
].map((hex) => Buffer.from(hex, 'hex'));

/** Fills the rest of an instruction's bytes, from `from` on, with NOPs that are as long as possible. */
export function padWithNops(bytes: Buffer, from: number): void {
  let at = from;
  while (at < bytes.length) {
    const nop = NOPS[Math.min(bytes.length - at, NOPS.length) - 1];
    if (nop === undefined) return;
    nop.copy(bytes, at);
    at += nop.length;
  }
}
