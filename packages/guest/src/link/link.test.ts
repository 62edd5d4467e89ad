import { expect, test } from 'vitest';
import { readPatch } from '../patch/index.ts';
import { assemble, patchText } from '../testing/assemble.ts';
import { type TestTargetOptions, testTarget } from '../testing/link-target.ts';
import { linkPatch, linkSizes } from './link.ts';

const CODE = 0xffff_ffff_8200_0000n;
const DATA = 0xffff_ffff_8210_0000n;
const read = async (code: string, more = '') => readPatch(await assemble(patchText(code, more)), 'fix.ko');
const link = async (code: string, more = '', target: TestTargetOptions = {}) =>
  linkPatch(await read(code, more), testTarget(target), { code: CODE, data: DATA });
const codeOf = async (...args: Parameters<typeof link>) => (await link(...args)).code.bytes.toString('hex');

test('a patch is put where it is wanted, and says what replaces what', async () => {
  const linked = await link('ret', '.data\n.quad 7\n.bss\n.fill 8');
  expect(linked.code.address).toBe(CODE);
  expect(linked.data).toBeNull();
  expect(linked.replacements).toEqual([
    {
      oldAddress: 0xffff_ffff_8100_0100n,
      newAddress: CODE,
      object: 'vmlinux',
      name: 'old_function',
      position: 0,
    },
  ]);
  expect(linked.functions).toEqual([{ name: 'new_function', address: CODE, size: 1 }]);
});

test('every relocation of a kernel is done', async () => {
  const symbols = { callee: 0xffff_ffff_8100_1000n, variable: 0xffff_ffff_8140_0000n };
  const patch = await read(
    `call callee
  movl variable(%rip), %eax
  movq $variable, %rdi
  movabsq $variable, %rsi
  ret`,
    '.data\n.quad callee\n.quad callee - .\n.long low - 8\n.long variable - .',
  );
  expect(linkSizes(patch)).toEqual({ codeBytes: 29, dataBytes: 0 });
  const used = await link(
    `call callee
  movl variable(%rip), %eax
  movq $variable, %rdi
  movabsq $variable, %rsi
  leaq table(%rip), %rdx
  ret`,
    '.data\ntable: .quad callee + 1\n.quad callee - .\n.long low - 8\n.long variable - .',
    { symbols: { ...symbols, low: 0x1_0000n } },
  );
  expect(used.code.bytes.toString('hex')).toBe(
    'e8fb0f00ff8b05f5ff3fff48c7c70000408148be00004081ffffffff488d15ddff0f00c3',
  );
  expect(used.data?.bytes.readBigUInt64LE(0)).toBe(0xffff_ffff_8100_1001n);
  expect(used.data?.bytes.readBigInt64LE(8)).toBe(0xffff_ffff_8100_1000n - (DATA + 8n));
  expect(used.data?.bytes.readUInt32LE(16)).toBe(0xfff8);
  expect(used.data?.bytes.readInt32LE(20)).toBe(Number(0xffff_ffff_8140_0000n - (DATA + 20n)));
});

test('a relocation that does not fit is refused by section and index', async () => {
  await expect(
    link('nop\n call callee\n ret', '', { symbols: { callee: 0x1000_0000_0000n } }),
  ).rejects.toThrow(
    'Relocation .rela.text[0] (R_X86_64_PLT32 against callee) cannot be done: its target is 17594299973626 bytes away.',
  );
  await expect(link('movq $callee, %rdi\n ret', '', { symbols: { callee: 0x8000_0000n } })).rejects.toThrow(
    'Relocation .rela.text[0] (R_X86_64_32S against callee) cannot be done: 0x80000000 does not fit into 32 bits with sign.',
  );
});

test('names are found by object, name and position', async () => {
  const alias = (position: number, object = 'vmlinux') => `
  .section .rodata.more, "a"
where: .asciz "${object}"
other: .asciz "helper"
as: .asciz "alias"
  .section .exuvia.symbols, "a"
  .quad where, other, ${position}, as`;
  const code = 'call alias\n ret';
  const symbols = { helper: [0xffff_ffff_8200_1000n, 0xffff_ffff_8200_2000n] };
  const modules = { nfsd: { helper: 0xffff_ffff_8200_3000n } };
  expect(await codeOf(code, alias(2), { symbols })).toBe('e8fb1f0000c3');
  expect(await codeOf(code, alias(0, 'nfsd'), { symbols, modules })).toBe('e8fb2f0000c3');
  await expect(link(code, alias(0), { symbols })).rejects.toMatchObject({
    code: 'guest-symbol-ambiguous',
    message: 'There are 2 symbols helper in the kernel of the guest, and the patch does not say which.',
  });
  await expect(link(code, alias(3), { symbols })).rejects.toThrow(
    'The patch wants symbol helper number 3 in the kernel of the guest, which has 2.',
  );
  await expect(link(code, alias(0, 'xfs'), { symbols })).rejects.toMatchObject({
    code: 'guest-module-missing',
    message: 'The module xfs is not loaded in the guest.',
  });
  await expect(link('call nowhere\n ret')).rejects.toThrow(
    'There is no symbol nowhere in the kernel of the guest.',
  );
});

test('a patch for another kernel, an unacceptable one and a place that does not do are refused', async () => {
  await expect(link('ret', '', { release: '6.12.2' })).rejects.toThrow(
    'fix.ko was built for 6.12.1, and the guest runs 6.12.2.',
  );
  await expect(link('ret', '.section .strange, "a"\n.quad 1')).rejects.toThrow(
    /^fix\.ko cannot be applied:\n {2}\.strange: nothing is known about such a section/,
  );
  const patch = await read('leaq thing(%rip), %rax\n ret', '.data\nthing: .quad 1');
  expect(() => linkPatch(patch, testTarget(), { code: CODE, data: null })).toThrow(
    'The patch needs 8 bytes of writable memory and is given none.',
  );
  expect(() => linkPatch(patch, testTarget(), { code: CODE + 8n, data: DATA })).toThrow(
    'A patch must lie at a multiple of 64 bytes.',
  );
});

test('ORC comes along with the addresses of the patch, ascending', async () => {
  const linked = await link(
    'nop\nlater: ret',
    `.section .orc_unwind, "a"
  .byte 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
  .section .orc_unwind_ip, "a"
  .long later - ., new_function - .`,
  );
  expect(linked.unwind.addresses).toEqual([CODE, CODE + 1n]);
  expect(linked.unwind.entries.toString('hex')).toBe('0708090a0b0c010203040506');
});
