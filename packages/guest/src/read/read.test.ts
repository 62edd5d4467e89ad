import { expect, test } from 'vitest';
import { understandKernel } from '../attach/attach.ts';
import type { KernelReader } from '../objects/reader.ts';
import { BtfWriter } from '../testing/btf-writer.ts';
import { testKernel } from '../testing/test-kernel.ts';
import { TASK } from '../testing/test-types.ts';
import { parseBtf } from '../types/btf.ts';
import { parseExpression } from './syntax.ts';
import { typedValue } from './value.ts';

async function guest() {
  const of = testKernel();
  const mixture = of.at(of.address('mixture_of_types'));
  mixture.writeUInt8(1, 0);
  [1n, 2n, 2n ** 64n - 1n].forEach((value, index) => {
    mixture.writeBigUInt64LE(value, 8 + 8 * index);
  });
  const text = of.address('linux_banner');
  mixture.writeBigUInt64LE(text, 32);
  return { of, kernel: await understandKernel(of.memory, of.registers, { cache: null }) };
}

test.each([
  ['init_task.comm', 'char[16]', 'swapper/0'],
  ['init_task.thread_info.cpu', 'unsigned int', 0],
  ['init_task.in_iowait', 'unsigned int', 1],
  ['init_task.prio', 'int', -1],
  ['task(2).parent->comm', 'char[16]', 'swapper/0'],
  ['task(2).parent.pid', 'int', 0],
  ['per_cpu(runqueues, 1).nr_running', 'unsigned int', 2],
  ['per_cpu(runqueues, 0).idle->comm', 'char[16]', 'swapper/0'],
  ['system_state', 'enum system_states', 'SYSTEM_RUNNING'],
  ['tainted_mask', 'long unsigned int', 4096],
  ['(unsigned int)tainted_mask', 'unsigned int', 4096],
  ['((struct mixture)mixture_of_types).longs[1]', 'long unsigned int', 2],
  ['((struct mixture)mixture_of_types).longs', 'long unsigned int[3]', [1, 2, '18446744073709551615']],
  ['((struct mixture)mixture_of_types).truth', '_Bool', true],
  [
    '*task(1).parent',
    'struct task_struct',
    expect.objectContaining({ comm: 'swapper/0', in_iowait: 1, prio: -1 }),
  ],
  ['*(&init_task.pid)', 'int', 0],
] as [string, string, unknown][])('%s is read', async (expression, type, value) => {
  const { kernel } = await guest();
  expect(kernel.read(expression)).toMatchObject({ expression, type, value });
});

test('a pointer is shown with the symbol that it leads to, and with its text', async () => {
  const { of, kernel } = await guest();
  const banner = `0x${of.address('linux_banner').toString(16)} <linux_banner>`;
  expect(kernel.read('((struct mixture)mixture_of_types).label')).toEqual({
    expression: '((struct mixture)mixture_of_types).label',
    type: 'char *',
    address: `0x${(of.address('mixture_of_types') + 32n).toString(16)}`,
    value: banner,
    text: 'Linux version 6.12.999-test (builder@example.org) (gcc 14) #1 SMP Test?',
  });
  expect(kernel.read('&init_task.comm')).toEqual({
    expression: '&init_task.comm',
    type: 'char[16] *',
    address: null,
    value: `0x${(of.address('init_task') + BigInt(TASK.comm)).toString(16)} <init_task+0x58>`,
  });
  expect(kernel.read(`((struct task_struct *)${of.threads.init})->comm`).value).toBe('init');
});

const WRONG = 'The expression cannot be read: ';

test.each([
  ['init_task.nothing', `${WRONG}struct task_struct has no member nothing.`],
  ['init_task.comm.x', `${WRONG}char[16] has no member x.`],
  ['init_task[1]', `${WRONG}struct task_struct is neither a pointer nor an array.`],
  ['init_task.comm[16]', `${WRONG}the array has 16 elements.`],
  ['*init_task.pid', `${WRONG}int is neither a pointer nor an array.`],
  ['runqueues', `${WRONG}runqueues is a per-CPU variable: write per_cpu(runqueues, CPU).`],
  ['per_cpu(runqueues, 2)', 'The guest has no CPU 2: it has 2, from 0.'],
  ['per_cpu(runqueues, 1).idle->comm', `${WRONG}it goes through a null pointer.`],
  ['task(7)', 'The guest has no thread 7.'],
  [
    'mixture_of_types',
    `${WRONG}the kernel does not tell the type of a variable: cast it, as in (unsigned long)NAME.`,
  ],
  [
    'mixture_of_types.x',
    `${WRONG}the kernel does not tell the type of a variable: cast it, as in (unsigned long)NAME.`,
  ],
  ['nothing', 'The kernel has no symbol nothing.'],
  ['same_name', 'The kernel has 2 symbols same_name.'],
  ['(struct nothing *)init_task', 'The kernel has no type struct nothing.'],
  ['*(&init_task.in_iowait)', `${WRONG}& is of what has an address.`],
  ['(void)init_task', 'void has no value: cast it to a type.'],
  ['((struct list_head *)0x10)->next', 'Kernel address 0x10 is not mapped.'],
])('%s is refused', async (expression, message) => {
  const { kernel } = await guest();
  expect(() => kernel.read(expression)).toThrow(message);
});

test.each([
  ['', 'is wrong at its end: a name is missing.'],
  ['init_task.', 'is wrong at its end: a name is missing.'],
  ['init_task..comm', 'is wrong from ".comm" on: a name is missing.'],
  ['a[b]', 'is wrong from "b]" on: a number is missing.'],
  ['a[1', 'is wrong at its end: ] is missing.'],
  ['a + b', 'is wrong from "+ b" on: it is not understood.'],
  ['(a', 'is wrong at its end: ) is missing.'],
  ['a b', 'is wrong from "b" on: nothing more was expected.'],
  ['per_cpu(a)', 'is wrong from ")" on: , is missing.'],
  ['a[99999999999999999999]', 'a number is missing.'],
  ['*'.repeat(900), 'it is nested too deeply.'],
  ['a'.repeat(1001), 'it is too long.'],
])('the expression %s has no meaning', (expression, why) => {
  expect(() => parseExpression(expression)).toThrow(why);
});

test('structures that hold themselves thousands of times are shown up to a bounded number of parts', () => {
  const writer = new BtfWriter();
  const byte = writer.int('unsigned char', 1);
  const members = Array.from({ length: 5000 }, (_, index) => ({ name: `m${index}`, type: 2, at: 0 }));
  const self = writer.struct('self', 1, [{ name: '__proto__', type: byte, at: 0 }, ...members]);
  const btf = parseBtf(writer.end());
  const reader = { btf } as KernelReader;
  expect(() => typedValue(reader, { kind: 'btf', id: self }, Buffer.alloc(1))).toThrow(
    'The expression cannot be read: its type is nested too deeply.',
  );
  const flat = new BtfWriter();
  const small = flat.int('unsigned char', 1);
  const pair = flat.struct(
    'pair',
    0,
    Array.from({ length: 500 }, (_, index) => ({ name: `m${index}`, type: small, at: 0 })),
  );
  const many = flat.struct(
    'many',
    0,
    Array.from({ length: 500 }, (_, index) => ({ name: `p${index}`, type: pair, at: 0 })),
  );
  const value = typedValue(
    { btf: parseBtf(flat.end()) } as KernelReader,
    { kind: 'btf', id: many },
    Buffer.alloc(1),
  );
  expect(Object.keys(value as object).length).toBeLessThan(50);
});

test('a member whose name is __proto__ is a member like any other', () => {
  const writer = new BtfWriter();
  const byte = writer.int('unsigned char', 1);
  const odd = writer.struct('odd', 1, [{ name: '__proto__', type: byte, at: 0 }]);
  const value = typedValue(
    { btf: parseBtf(writer.end()) } as KernelReader,
    { kind: 'btf', id: odd },
    Buffer.from([7]),
  );
  expect(JSON.stringify(value)).toBe('{"__proto__":7}');
});
