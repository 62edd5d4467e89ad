import { chmod, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestKernel, type TestKernelOptions, testKernel } from '../testing/test-kernel.ts';
import { understandKernel, understandRunning } from './attach.ts';
import { defaultCacheFolder } from './cache.ts';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'exuvia-tables-'));
});
afterEach(() => rm(cache, { recursive: true }));

const understand = (of: TestKernel, folder: string | null = cache) =>
  understandKernel(of.memory, of.registers, { cache: folder });

test.each(['6.1', '6.12', '6.15', '7.2'] as const)(
  'a kernel like %s is understood, with 4 and 5 levels',
  async (layout) => {
    for (const levels of [4, 5] as const) {
      const of = testKernel({ layout, levels, slide: 0x380_0000 });
      expect(await understand(of, null)).toMatchObject({
        release: '6.12.999-test',
        version: '#1 SMP Test',
        buildId: 'ab'.repeat(20),
        slide: 0x380_0000n,
        space: { levels },
      });
    }
  },
);

test('a kernel is known again wherever it lies, and answers as when it was new', async () => {
  const first = await understand(testKernel());
  const of = testKernel({ slide: 0x1a0_0000, levels: 5 });
  const before = of.memory.reads();
  const again = await understand(of);
  // The image is not searched any more.
  expect(of.memory.reads() - before).toBeLessThan(1000);
  expect(await readdir(cache)).toHaveLength(1);
  expect(again.symbols.count).toBe(first.symbols.count);
  expect(again.symbols.one('worker').address).toBe(of.address('worker'));
  expect(again.tasks().map((task) => again.sleepingStack(task).complete)).toEqual([false, true, true]);
  expect(again.types.offsetOf('task_struct', 'pid')).toBe(56);
});

test('another kernel that shows the same build id is not taken for it', async () => {
  await understand(testKernel());
  const liar = testKernel();
  // One byte of the type information: the size of task_struct's first member.
  const at = Number(liar.address('__start_BTF') - liar.base);
  const name = liar.image.indexOf('stack_canary\0', at);
  liar.image.write('stack_kanary', name, 'latin1');
  const understood = await understand(liar);
  expect(() => understood.types.offsetOf('task_struct', 'stack_canary')).toThrow(
    'has no member stack_canary',
  );
  expect(understood.types.offsetOf('task_struct', 'stack_kanary')).toBe(112);
});

test.each([
  ['was cut off', async (path: string) => truncate(path, 5000)],
  ['is empty', async (path: string) => truncate(path, 0)],
  [
    'was changed',
    async (path: string) => {
      const bytes = await readFile(path);
      bytes.writeUInt8(bytes.readUInt8(3000) ^ 1, 3000);
      await writeFile(path, bytes);
    },
  ],
  [
    'has a header that is none',
    async (path: string) =>
      writeFile(path, Buffer.concat([(await readFile(path)).subarray(0, 16), Buffer.alloc(4096, 'x')])),
  ],
] as [string, (path: string) => Promise<void>][])('a stored file that %s is made anew', async (_, damage) => {
  await understand(testKernel());
  const [name] = await readdir(cache);
  const path = join(cache, name ?? '');
  const sound = await readFile(path);
  await damage(path);
  expect((await understand(testKernel())).symbols.count).toBe(342);
  expect((await readFile(path)).equals(sound)).toBe(true);
});

test('a folder that others may write to is neither read nor written', async () => {
  await understand(testKernel());
  await chmod(cache, 0o777);
  const of = testKernel();
  await understand(of);
  expect(of.memory.reads()).toBeGreaterThan(1000);
  await chmod(cache, 0o700);
});

test('a cache that cannot be made costs nothing but time', async () => {
  const file = join(cache, 'file');
  await writeFile(file, '');
  expect((await understand(testKernel(), join(file, 'below'))).symbols.count).toBe(342);
});

test('so many kernels are kept that guests cannot fill a disk', async () => {
  for (let count = 0; count < 20; count++) {
    await understand(testKernel({ buildId: count.toString(16).padStart(40, '0') }));
  }
  expect((await readdir(cache)).length).toBe(16);
});

test('the cache is where the environment says', () => {
  expect(defaultCacheFolder({ XDG_CACHE_HOME: '/c' })).toBe('/c/exuvia/guest');
});

const UNKNOWN = "The guest's kernel is not understood: ";

test.each([
  [
    'a banner that is none',
    (of) => of.at(of.address('linux_banner')).write('Minix'),
    `${UNKNOWN}its linux_banner is no such thing.`,
  ],
  [
    'a banner with control characters',
    (of) => of.at(of.address('linux_banner')).write('\u001b', 14),
    `${UNKNOWN}its linux_banner is no such thing.`,
  ],
  [
    'another place than it says',
    (of) => of.at(of.address('phys_base')).writeBigInt64LE(5n),
    `${UNKNOWN}it says that it was loaded at phys_base 5, which is not where it lies.`,
  ],
  [
    'no build id',
    (of) => of.at(of.address('__start_notes')).fill(0, 0, 12),
    'The kernel has no build id in its notes.',
  ],
  [
    'an unwind table that does not ascend',
    (of) => of.at(of.address('__start_orc_unwind_ip')).writeInt32LE(0x7000_0000),
    'An unwind table (ORC) is not understood: its address 1 is below the one before it.',
  ],
  [
    'type information that is none',
    (of) => of.at(of.address('__start_BTF')).writeUInt16LE(0),
    'it does not begin with its magic number.',
  ],
] as [string, (of: TestKernel) => unknown, string][])(
  'a kernel with %s is refused',
  async (_, lie, message) => {
    const of = testKernel();
    lie(of);
    await expect(understand(of)).rejects.toThrow(message);
    // What did not verify is not kept.
    expect(await readdir(cache)).toEqual([]);
  },
);

test('page tables that map the image elsewhere than those of the processor are refused', async () => {
  const of = testKernel();
  // The processor walks a copy of the top table; the kernel's own has lost the image.
  const copy = 0x3f_e000;
  of.memory.bytes.copy(of.memory.bytes, copy, of.tables.root, of.tables.root + 4096);
  of.memory.bytes.writeBigUInt64LE(0n, of.tables.root + 511 * 8);
  await expect(
    understandKernel(of.memory, { ...of.registers, cr3: BigInt(copy) }, { cache: null }),
  ).rejects.toThrow(
    `${UNKNOWN}its page tables do not map its start 0xffffffff83000000 where the processor's do.`,
  );
});

test('the boot is another one after a reboot, and the same one otherwise', async () => {
  const options: TestKernelOptions = { slide: 0x20_0000 };
  const of = testKernel(options);
  const kernel = await understand(of);
  const epoch = kernel.bootEpoch();
  expect(epoch).toMatch(/^[0-9a-f]{32}$/);
  expect((await understand(testKernel(options))).bootEpoch()).toBe(epoch);
  expect((await understand(testKernel({ slide: 0x40_0000 }))).bootEpoch()).not.toBe(epoch);
  of.at(of.address('init_task')).writeBigUInt64LE(99n, 112);
  expect(kernel.bootEpoch()).not.toBe(epoch);
});

test('page tables of a program that has just ended are left for those of another', async () => {
  const of = testKernel();
  const ended = { ...of.registers, cr3: 0x3f_e000n };
  const seen = [ended, of.registers, of.registers];
  const next = () => Promise.resolve(seen.shift() ?? of.registers);
  expect(await understandRunning(of.memory, next, { cache: null })).toMatchObject({
    release: '6.12.999-test',
  });
  expect(seen).toEqual([]);
  // The same ones again: it is not that.
  let asked = 0;
  const always = async () => {
    asked++;
    return ended;
  };
  await expect(understandRunning(of.memory, always, { cache: null })).rejects.toThrow();
  expect(asked).toBe(2);
});
