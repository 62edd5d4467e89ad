import { expect, test } from 'vitest';
import { assemble, MODINFO, patchText } from '../testing/assemble.ts';
import { readPatch } from './read.ts';

const read = async (text: string) => readPatch(await assemble(text), 'fix.ko');
const refusals = async (more: string, code = 'ret') =>
  (await read(patchText(code, more))).refusals.map(
    ({ section, index, why }) => `${section}${index === null ? '' : `[${index}]`}: ${why}`,
  );

test('a patch of the SDK says what it replaces and what it needs', async () => {
  const patch = await read(
    patchText(
      'call outside\n  call other_alias\n  ret',
      `
  .section .rodata.more, "a"
other_object: .asciz "nfsd"
other: .asciz "helper"
alias: .asciz "other_alias"
  .section .exuvia.symbols, "a"
  .quad other_object, other, 2, alias`,
    ),
  );
  expect(patch).toMatchObject({
    kind: 'exuvia',
    name: 'fix',
    release: '6.12.1',
    replaces: false,
    refusals: [],
  });
  expect(patch.functions).toMatchObject([{ object: 'vmlinux', name: 'old_function', position: 0 }]);
  expect([...patch.needs.values()]).toEqual([
    { object: 'vmlinux', name: 'outside', position: 0 },
    { object: 'nfsd', name: 'helper', position: 2 },
  ]);
});

test('what nobody knows is refused by name', async () => {
  expect(await refusals('.section .strange, "a"\n .quad 1')).toEqual([
    '.strange: nothing is known about such a section, so what it asks for cannot be honoured',
  ]);
});

test.each([
  ['__param', 'a patch has no module parameters'],
  ['__ksymtab', 'a patch cannot export symbols'],
  ['__tracepoints', 'a patch cannot define tracepoints'],
  ['.init_array', 'constructors of a patch are not run'],
])('section %s is refused', async (name, why) => {
  expect(await refusals(`.section ${name}, "aw"\n .quad 1`)).toEqual([`${name}: ${why}`]);
});

test('exception table entries, WARNs and static keys in replacement code are refused one by one', async () => {
  expect(
    await refusals(
      `
  .section __ex_table, "a"
  .long here - ., here - ., 0
  .long there - ., here - ., 0
  .section __bug_table, "aw"
  .long here - ., 0, 0
  .section __jump_table, "aw"
  .long here - ., there - .
  .quad key_of_the_guest - .`,
      'here: nop\nthere: ret',
    ),
  ).toEqual([
    '__ex_table[0]: the guest would not find it, and the fault that it catches would be an oops',
    '__ex_table[1]: the guest would not find it, and the fault that it catches would be an oops',
    '__bug_table[0]: the guest would not find it, and the WARN or BUG would be an oops',
    '__jump_table[0]: the guest would not switch this static key (key_of_the_guest)',
  ]);
});

test('per-CPU variables, unknown relocations and weak symbols are refused where they are used', async () => {
  const perCpu = '.section .data..percpu, "aw"\ncounter: .quad 0';
  expect(await refusals(perCpu)).toEqual([]);
  expect(await refusals(perCpu, 'incq %gs:counter(%rip)\n ret')).toEqual([
    '.rela.text[0]: it uses section .data..percpu: a patch cannot have per-CPU variables of its own',
  ]);
  expect(await refusals('', 'movq thing@GOTPCREL(%rip), %rax\n ret')).toEqual([
    '.rela.text[0]: relocations of type 9 are not known in a kernel',
  ]);
  expect(await refusals('.weak maybe', 'call maybe\n ret')).toEqual([
    '.rela.text[0]: symbol maybe is weak and undefined',
  ]);
});

test('initialisation code of a patch is refused', async () => {
  expect(await refusals('.section .init.text, "ax"\nstart: ret')).toEqual([
    '.init.text: initialisation code of a patch is not run',
  ]);
  expect(
    await refusals(
      '.globl init_module\n.type init_module, @function\ninit_module: ret\n.size init_module, 1',
    ),
  ).toEqual(['.text: initialisation code of a patch is not run']);
});

test('a file that replaces nothing, or one function twice, is no patch', async () => {
  await expect(read(`.text\nret\n${MODINFO}`)).rejects.toThrow(
    'fix.ko is not a usable patch file: it has no section .exuvia.functions and is no livepatch module.',
  );
  await expect(
    read(patchText('ret', '.section .exuvia.functions, "a"\n.quad object, old, 0, new_function')),
  ).rejects.toThrow('fix.ko is not a usable patch file: it replaces old_function of vmlinux twice.');
  await expect(read(patchText('ret').replace('vermagic=', 'magic='))).rejects.toThrow(
    'it has no vermagic in .modinfo, so that nobody knows which kernel it was built for.',
  );
});
