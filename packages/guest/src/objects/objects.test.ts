import { expect, test } from 'vitest';
import { understandKernel } from '../attach/attach.ts';
import { type TestKernel, testKernel } from '../testing/test-kernel.ts';
import { MODULE, MODULE_AREA, SIGNAL, TASK } from '../testing/test-types.ts';

const understand = (of: TestKernel) => understandKernel(of.memory, of.registers, { cache: null });

test('every thread is found once, with its name, state and CPU', async () => {
  const kernel = await understand(testKernel());
  expect(kernel.tasks().map(({ pid, comm, state, onCpu }) => [pid, comm, state, onCpu])).toEqual([
    [0, 'swapper/0', 'running', 0],
    [1, 'init', 'sleeping', null],
    [2, 'worker', 'sleeping', null],
  ]);
});

test('the stacks of threads that sleep are walked to user mode and to where they began', async () => {
  const of = testKernel();
  const kernel = await understand(of);
  const [, init, worker] = kernel.tasks().map((task) => kernel.sleepingStack(task));
  const names = (frames: readonly { address: bigint }[] = []) =>
    frames.map(({ address }) => kernel.symbols.at(address)?.symbol.name);
  expect([init?.complete, names(init?.frames)]).toEqual([true, ['schedule', 'vfs_read', 'entry_SYSCALL_64']]);
  expect([worker?.complete, names(worker?.frames)]).toEqual([
    true,
    ['schedule', 'worker', 'kthread', 'ret_from_fork_asm'],
  ]);
  expect(init?.frames.map(({ savedAt }) => savedAt === null)).toEqual([false, false, false]);
});

test('a CPU in user mode has no kernel stack; one in the kernel is walked from its registers', async () => {
  const of = testKernel();
  const kernel = await understand(of);
  const registers = { rip: 0x1000n, rsp: 0x7fffn, rbp: 0n, rflags: 0n, cs: 0x33, general: {} };
  expect(kernel.runningStack(registers)).toEqual({ frames: [], complete: true });
  const sp = of.at(of.threads.worker).readBigUInt64LE(TASK.sp);
  const inSchedule = { ...registers, cs: 0x10, rip: of.address('schedule') + 0x20n, rsp: sp + 56n };
  expect(kernel.runningStack(inSchedule)).toMatchObject({
    complete: true,
    frames: [{ savedAt: null }, {}, {}, {}],
  });
  const lost = kernel.runningStack({ ...inSchedule, rsp: 0x5000n });
  expect(lost).toMatchObject({
    complete: false,
    reason: `the frame of 0x${inSchedule.rip.toString(16)} reaches beyond its stack`,
  });
});

test('code that a patch brought is walked through while it is told of', async () => {
  const of = testKernel();
  const kernel = await understand(of);
  const start = of.base + 0x2f00n;
  const sp = of.at(of.threads.worker).readBigUInt64LE(TASK.sp);
  of.at(sp).writeBigUInt64LE(start + 0x10n, 48);
  const worker = kernel.tasks().find(({ pid }) => pid === 2);
  if (worker === undefined) throw new Error('no worker');
  expect(kernel.sleepingStack(worker).complete).toBe(false);
  const entries = Buffer.from([16, 0, 0xf0, 0xff, 0x15, 0x02]);
  const remove = kernel.addCode({ start, size: 0x40, unwind: { addresses: [start], entries } });
  expect(kernel.sleepingStack(worker)).toMatchObject({ complete: true, frames: { length: 4 } });
  remove();
  expect(kernel.sleepingStack(worker).complete).toBe(false);
});

test('a thread inside a module is walked through it', async () => {
  const of = testKernel();
  const kernel = await understand(of);
  const code = kernel.moduleSymbols('sample')?.one('sample_work').address ?? 0n;
  const sp = of.at(of.threads.worker).readBigUInt64LE(TASK.sp);
  of.at(sp).writeBigUInt64LE(code + 0x10n, 48);
  const worker = kernel.tasks().find(({ pid }) => pid === 2);
  if (worker === undefined) throw new Error('no worker');
  expect(kernel.sleepingStack(worker).complete).toBe(true);
  expect(kernel.locator()(code + 0x10n)).toEqual({
    object: 'sample',
    name: 'sample_work',
    offset: 16,
    size: 64,
  });
  expect(kernel.locator()(0n)).toBeNull();
});

test('modules are listed with their parts, and have symbols of their own', async () => {
  const kernel = await understand(testKernel());
  expect(kernel.modules()).toMatchObject([
    {
      name: 'sample',
      state: 'live',
      parts: [
        { start: 0xffff_ffff_c000_0000n, size: 4096, executable: true },
        { start: 0xffff_ffff_c000_1000n, size: 4096, executable: false },
      ],
    },
  ]);
  expect(kernel.moduleSymbols('none')).toBeNull();
  expect(() => kernel.moduleSymbols('sample')?.one('nothing')).toThrow(
    'Module sample has no symbol nothing.',
  );
});

test.each([
  [
    'a list of processes that never comes back',
    (of: TestKernel) =>
      of.at(of.threads.init).writeBigUInt64LE(of.threads.init + BigInt(TASK.tasks), TASK.tasks),
    "The guest's list of processes runs in a circle beside its head.",
  ],
  [
    'a list of threads that never comes back',
    (of: TestKernel) => {
      const node = of.threads.worker + BigInt(TASK.threadNode);
      of.at(node).writeBigUInt64LE(node);
    },
    "The guest's list of threads of process 2 runs in a circle beside its head.",
  ],
  [
    'a list that leads out of the kernel',
    (of: TestKernel) => of.at(of.threads.init).writeBigUInt64LE(0x1234n, TASK.tasks),
    'is not mapped.',
  ],
  [
    'a negative thread',
    (of: TestKernel) => of.at(of.threads.init).writeInt32LE(-5, TASK.pid),
    'The guest has a thread with the number -5.',
  ],
  [
    'more CPUs than there can be',
    (of: TestKernel) => of.at(of.address('nr_cpu_ids')).writeUInt32LE(0xffff_ffff),
    'The guest says that it has 4294967295 CPUs.',
  ],
  [
    'no CPU at all',
    (of: TestKernel) => of.at(of.address('nr_cpu_ids')).writeUInt32LE(0),
    'The guest says that it has 0 CPUs.',
  ],
] as [string, (of: TestKernel) => unknown, string][])('%s is refused', async (_, lie, message) => {
  const of = testKernel();
  const kernel = await understand(of);
  lie(of);
  expect(() => kernel.tasks()).toThrow(message);
});

test('the name of a thread cannot steer a terminal', async () => {
  const of = testKernel();
  of.at(of.threads.init).write('\u001b[2J\u0007\u009b', TASK.comm, 'latin1');
  expect((await understand(of)).tasks()[1]?.comm).toBe('?[2J??');
});

test.each([
  [
    'a stack pointer outside of the stack',
    TASK.sp,
    0xffff_8880_0000_0000n,
    'its saved stack pointer lies outside of its stack',
  ],
  ['a stack pointer between words', TASK.sp, 3n, 'its saved stack pointer lies outside of its stack'],
  ['a stack that is none', TASK.stack, 0n, 'the thread has ended and has no stack'],
])('%s leaves its walk incomplete', async (_, member, value, reason) => {
  const of = testKernel();
  const kernel = await understand(of);
  of.at(of.threads.worker).writeBigUInt64LE(value, member);
  const worker = kernel.tasks().find(({ pid }) => pid === 2);
  expect(worker && kernel.sleepingStack(worker)).toMatchObject({ frames: [], complete: false, reason });
});

test.each([
  [
    'without end',
    (b: Buffer) => b.writeBigUInt64LE(0xffff_ffff_c000_1008n, MODULE.list),
    "The guest's list of modules runs in a circle beside its head.",
  ],
  [
    'whose name is none',
    (b: Buffer) => b.write('a/b\u001b', MODULE.name),
    'The guest lists a module that is none.',
  ],
  [
    'in no known state',
    (b: Buffer) => b.writeUInt32LE(9, MODULE.state),
    'The guest lists a module that is none.',
  ],
] as [string, (bytes: Buffer) => unknown, string][])('modules %s are refused', async (_, lie, message) => {
  const of = testKernel();
  const kernel = await understand(of);
  lie(of.at(of.module));
  expect(() => kernel.modules()).toThrow(message);
});

test.each([
  ['a million symbols', 520, 0xf_4240, 'Module sample says that it has 1000000 symbols.'],
  ['a name beyond all bounds', 1048, 0x7fff_ffff, 'Module sample has names beyond all bounds.'],
])('a module with %s is refused', async (_, place, value, message) => {
  const of = testKernel();
  const kernel = await understand(of);
  of.at(of.module).writeUInt32LE(value, place);
  expect(() => kernel.moduleSymbols('sample')).toThrow(message);
});

test('a module with as many symbols as one may have does not overflow the stack', async () => {
  const of = testKernel();
  const kernel = await understand(of);
  const count = 200_000;
  const kallsyms = of.at(of.at(of.module).readBigUInt64LE(MODULE.kallsyms));
  // Three pages of equal entries, mapped over and over: a guest's claim costs it no memory.
  const entry = of.at(kallsyms.readBigUInt64LE(0)).subarray(24, 48);
  const pages = [0x1000, 0x2000, 0x3000];
  of.memory.bytes.fill(entry, 0x1000, 0x4000);
  const entries = MODULE_AREA + 0x100_0000n;
  for (let page = 0; page * 4096 < count * 24; page++) {
    of.tables.map(entries + BigInt(page * 4096), pages[page % 3] ?? 0);
  }
  of.memory.bytes.fill('t', 0x4000, 0x5000);
  const letters = MODULE_AREA + 0x200_0000n;
  for (let page = 0; page * 4096 < count; page++) of.tables.map(letters + BigInt(page * 4096), 0x4000);
  kallsyms.writeBigUInt64LE(entries, 0);
  kallsyms.writeUInt32LE(count, 8);
  kallsyms.writeBigUInt64LE(letters, 24);
  const symbols = kernel.moduleSymbols('sample');
  expect(symbols?.count).toBe(count);
  expect(symbols?.find('sample_work').at(-1)).toEqual({
    name: 'sample_work',
    address: MODULE_AREA,
    type: 't',
    position: count,
  });
});

test('a module with an unwind table that lies is code that nothing is known of', async () => {
  const of = testKernel();
  const kernel = await understand(of);
  of.at(of.module).writeUInt32LE(0x7fff_ffff, MODULE.orcCount);
  of.at(of.at(of.threads.worker).readBigUInt64LE(TASK.sp)).writeBigUInt64LE(0xffff_ffff_c000_0010n, 48);
  const worker = kernel.tasks().find(({ pid }) => pid === 2);
  expect(worker && kernel.sleepingStack(worker)).toMatchObject({
    complete: false,
    reason: '0xffffffffc0000010 is in no known code',
  });
});

test('threads of one process are found through its leader', async () => {
  const of = testKernel();
  // The worker becomes a thread of init: out of the list of processes, into that of the threads.
  const node = (task: bigint, offset: number) => task + BigInt(offset);
  const link = (from: bigint, to: bigint) => of.at(from).writeBigUInt64LE(to);
  link(node(of.threads.init, TASK.tasks), node(of.address('init_task'), TASK.tasks));
  const head = of.at(of.threads.init).readBigUInt64LE(TASK.signal) + BigInt(SIGNAL.threads);
  link(node(of.threads.init, TASK.threadNode), node(of.threads.worker, TASK.threadNode));
  link(node(of.threads.worker, TASK.threadNode), head);
  expect((await understand(of)).tasks().map(({ pid }) => pid)).toEqual([0, 1, 2]);
});
