import { expect, test } from 'vitest';
import { assemble, MODINFO } from '../testing/assemble.ts';
import { readPatch } from './read.ts';

/** struct klp_func, klp_object and klp_patch as a module of samples/livepatch has them. */
const livepatch = (callback = '0', init = 'call klp_enable_patch') => `
  .text
  .type new_function, @function
new_function: ret
  .size new_function, 1
  .globl init_module
  .type init_module, @function
init_module:
  movq $patch, %rdi
  ${init}
  ret
  .size init_module, .-init_module
  .section .rodata.str1.1, "aMS", @progbits, 1
first: .asciz "first_function"
second: .asciz "second_function"
module: .asciz "nfsd"
  .data
functions:
  .quad first, new_function, 0
  .fill 128, 1, 0
  .quad second, new_function, 3
  .fill 128, 1, 0
  .fill 152, 1, 0
others:
  .quad first, new_function, 0
  .fill 128, 1, 0
  .fill 152, 1, 0
objects:
  .quad 0, functions, ${callback}
  .fill 144, 1, 0
  .quad module, others
  .fill 152, 1, 0
  .fill 168, 1, 0
patch:
  .quad this_module, objects, 0
  .byte 1
  .fill 175, 1, 0
  .section .gnu.linkonce.this_module, "aw"
this_module: .fill 64, 1, 0
${MODINFO}
  .asciz "livepatch=Y"`;
const read = async (text: string) => readPatch(await assemble(text), 'fix.ko');

test('a hand-written livepatch is read by the shape of its struct klp_patch, without its own initialisation', async () => {
  const patch = await read(livepatch());
  expect(patch).toMatchObject({ kind: 'livepatch', replaces: true, refusals: [] });
  expect(patch.functions).toMatchObject([
    { object: 'vmlinux', name: 'first_function', position: 0 },
    { object: 'vmlinux', name: 'second_function', position: 3 },
    { object: 'nfsd', name: 'first_function', position: 0 },
  ]);
  expect([...patch.needs.values()]).toEqual([]);
});

test('callbacks of a livepatch, and an initialisation that does more than register it, are refused', async () => {
  expect((await read(livepatch('new_function'))).refusals).toEqual([
    {
      section: '.data',
      index: null,
      why: 'its struct klp_object for vmlinux has callbacks, which are not run',
    },
  ]);
  expect((await read(livepatch('0', 'call klp_enable_patch\n  call something_else'))).refusals).toEqual([
    {
      section: '.rela.text',
      index: 2,
      why: 'it calls something_else, and initialisation code of a patch is not run',
    },
  ]);
});

test('a module of kpatch-build is read, its livepatch symbols by object, name and position', async () => {
  const object = await assemble(`
  .section .text.new_function, "ax"
  .type new_function, @function
new_function:
  call ".klp.sym.vmlinux.helper.isra.0,2"
  ret
  .section .kpatch.strings, "a"
names: .asciz "vmlinux"
  .asciz "old_function"
  .section .kpatch.funcs, "a"
  .quad new_function, 6, 0, 0, 1, names + 8, names
  .section .kpatch.callbacks.pre_patch, "aw"
  .quad 0
  .section .init.text, "ax"
  call klp_enable_patch
  call anything
${MODINFO}`);
  const patch = readPatch(livepatchSymbols(object), 'fix.ko');
  expect(patch).toMatchObject({ kind: 'kpatch-build', refusals: [] });
  expect(patch.functions).toMatchObject([{ object: 'vmlinux', name: 'old_function', position: 1 }]);
  expect([...patch.needs.values()]).toEqual([{ object: 'vmlinux', name: 'helper.isra.0', position: 2 }]);
});

test('a module of klp-build is read, and its callbacks are refused', async () => {
  const text = (callback: string) => `
  .section .text.new_function, "ax"
  .type new_function, @function
new_function: ret
  .section .rodata.names, "a"
old: .asciz "old_function"
module: .asciz "nfsd"
  .section .init.klp_funcs, "aw"
functions: .quad old, new_function, 2
  .section .init.klp_objects, "aw"
  .quad module, functions, ${callback}, 0, 0, 0, 0
  .long 1, 0
${MODINFO}`;
  const patch = await read(text('0'));
  expect(patch).toMatchObject({ kind: 'klp-build', refusals: [] });
  expect(patch.functions).toMatchObject([{ object: 'nfsd', name: 'old_function', position: 2 }]);
  expect((await read(text('new_function'))).refusals).toEqual([
    { section: '.init.klp_objects', index: 0, why: 'callbacks are not run' },
  ]);
  await expect(read(text('0').replace('.long 1', '.long 9'))).rejects.toThrow(
    '.init.klp_objects[0] claims 9 functions, more than it has.',
  );
});

/** GNU as cannot make symbols of SHN_LIVEPATCH: they are undefined ones with another index. */
function livepatchSymbols(object: Buffer): Buffer {
  const bytes = Buffer.from(object);
  const headers = Number(bytes.readBigUInt64LE(40));
  for (let index = 0; index < bytes.readUInt16LE(60); index += 1) {
    const header = headers + 64 * index;
    if (bytes.readUInt32LE(header + 4) !== 2) continue;
    const start = Number(bytes.readBigUInt64LE(header + 24));
    const strings = headers + 64 * bytes.readUInt32LE(header + 40);
    const names = Number(bytes.readBigUInt64LE(strings + 24));
    for (let at = start; at < start + Number(bytes.readBigUInt64LE(header + 32)); at += 24) {
      const name = names + bytes.readUInt32LE(at);
      if (bytes.toString('latin1', name, name + 9) === '.klp.sym.') bytes.writeUInt16LE(0xff20, at + 6);
    }
  }
  return bytes;
}
