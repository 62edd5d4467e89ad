import { expect, test } from 'vitest';
import { parseSystemRegisters } from './registers.ts';

/** The end of what QEMU 10.0.13 prints for a vCPU in user mode. */
const TEXT = `CPU#0
RIP=00000000004016e8 RFL=00000206 [-----P-] CPL=3 II=0 A20=1 SMM=0 HLT=0
GDT=     fffffe6822f80000 0000007f
IDT=     fffffe0000000000 00000fff
CR0=80050033 CR2=00007f5c26550d58 CR3=00000000018be000 CR4=00751ef0
`;

test('the registers that say where a kernel is are read', () => {
  expect(parseSystemRegisters(TEXT)).toEqual({
    cr0: 0x80050033n,
    cr3: 0x18be000n,
    cr4: 0x751ef0n,
    idtBase: 0xfffffe0000000000n,
  });
});

test.each(['CR0', 'CR3', 'CR4', 'IDT'])('a text without %s is refused by its name', (name) => {
  expect(() => parseSystemRegisters(TEXT.replace(`${name}=`, 'XXX='))).toThrow(
    `QEMU did not tell the register ${name}.`,
  );
});
