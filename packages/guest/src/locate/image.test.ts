import { expect, test } from 'vitest';
import { testKernel } from '../testing/test-kernel.ts';
import { copyImage, findKernelImage } from './image.ts';

test.each([4, 5] as const)('the image is found from the interrupt table, %d levels', (levels) => {
  const { memory, registers, base, image } = testKernel({ levels, slide: 0x1e0_0000 });
  const found = findKernelImage(memory, registers);
  expect(found).toMatchObject({ base, physicalBase: 0x20_0000 });
  expect(copyImage(memory, found).subarray(0, image.length).equals(image)).toBe(true);
});

test("the kernel's page tables are found from those of isolated user mode", () => {
  const { memory, registers } = testKernel();
  // The kernel's table is aligned to two pages; the user's follows it and maps nothing of the kernel.
  const root = Number(registers.cr3);
  const kernelRoot = 0x3f_c000;
  memory.bytes.copy(memory.bytes, kernelRoot, root, root + 4096);
  memory.bytes.fill(0, kernelRoot + 4096, kernelRoot + 8192);
  const found = findKernelImage(memory, { ...registers, cr3: BigInt(kernelRoot + 4096) });
  expect(found.physicalBase).toBe(0x20_0000);
});

const changed = (
  change: (kernel: ReturnType<typeof testKernel>) => Partial<ReturnType<typeof testKernel>['registers']>,
) => {
  const kernel = testKernel();
  const registers = { ...kernel.registers, ...change(kernel) };
  return () => findKernelImage(kernel.memory, registers);
};

test.each([
  ['a processor without paging', () => ({ cr0: 0x11n }), 'its processor runs without paging'],
  ['a 32-bit processor', () => ({ cr4: 0n }), 'its processor is not in 64-bit mode'],
  ['no interrupt table', () => ({ idtBase: 0x1000n }), 'its interrupt table cannot be read'],
  ['page tables outside of RAM', () => ({ cr3: 1n << 40n }), 'its interrupt table cannot be read'],
])('%s is refused', (_, change, why) => {
  expect(changed(change)).toThrow(`No Linux kernel was found in the VM: ${why}.`);
});

function gate(kernel: ReturnType<typeof testKernel>, handler: bigint, present = true): object {
  const at = kernel.memory.bytes.subarray(
    Number(kernel.memory.bytes.readBigUInt64LE(kernel.tables.entryOf(kernel.registers.idtBase)) & ~0xfffn),
  );
  at.writeUInt16LE(Number(handler & 0xffffn), 0);
  at.writeUInt16LE(present ? 0x8e00 : 0, 4);
  at.writeUInt16LE(Number((handler >> 16n) & 0xffffn), 6);
  at.writeUInt32LE(Number(handler >> 32n), 8);
  return {};
}

test('a gate that is empty, or leads anywhere else, is refused', () => {
  expect(changed((kernel) => gate(kernel, 0n, false))).toThrow(
    'the first gate of its interrupt table is empty',
  );
  expect(changed((kernel) => gate(kernel, 0x40_1000n))).toThrow(
    "its interrupt handlers lie at 0x401000, outside of the kernel's window",
  );
  expect(changed((kernel) => gate(kernel, 0xffff_ffff_a000_0000n))).toThrow(
    'nothing is mapped at 0xffffffffa0000000, below its interrupt handlers',
  );
});

test('a window that is mapped all over is an image of bounded size', () => {
  const kernel = testKernel();
  // Every table of the window's becomes one that maps everything to the image, 2 MiB each.
  for (let at = 0n; at < 512n; at++)
    kernel.tables.map(0xffff_ffff_8000_0000n + (at << 21n), Number(at) * 2 ** 21, { large: true });
  const found = findKernelImage(kernel.memory, kernel.registers);
  expect(found.base).toBe(0xffff_ffff_8000_0000n);
  expect(() => copyImage(kernel.memory, found)).toThrow('is not RAM');
});
