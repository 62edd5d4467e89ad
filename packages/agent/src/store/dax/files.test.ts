import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open, readdir, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { allocateRam, freeBytes } from './allocate.ts';
import { type Layout, layoutOf } from './layout.ts';
import { finishScrubs, scrubStrangers, scrubVm } from './scrub.ts';

const MIB = 2 ** 20;

let layout: Layout;
const children: ChildProcess[] = [];
beforeEach(async () => {
  layout = layoutOf(await temporaryDirectory());
  await mkdir(layout.vms);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function put(path: string, text: string) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** Holds the lock that exuvia-launch gives to a QEMU. */
async function lock(path: string) {
  const child = spawn('sh', ['-c', 'exec flock -F -x "$0" sh -c "echo locked; exec sleep 600"', path]);
  children.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
}

test("a VM's memory is a file full of zeros, every block of it there, and nobody else's to read", async () => {
  const path = await allocateRam(layout, 'tiny', 8 * MIB);
  expect(path).toBe(join(layout.root, 'vms/tiny/ram'));
  const facts = await stat(path);
  expect(facts.size).toBe(8 * MIB);
  expect(facts.blocks * 512).toBeGreaterThanOrEqual(8 * MIB);
  expect(facts.mode & 0o777).toBe(0o600);
  expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
  expect((await readFile(path)).every((byte) => byte === 0)).toBe(true);
  expect(await readdir(dirname(path))).toEqual(['ram']);
});

test('a size that is no multiple of the chunk is met exactly', async () => {
  expect((await stat(await allocateRam(layout, 'odd', 5 * MIB + 4096))).size).toBe(5 * MIB + 4096);
});

test('memory that is there is never taken over by another VM of the same name', async () => {
  await allocateRam(layout, 'tiny', MIB);
  await expect(allocateRam(layout, 'tiny', MIB)).rejects.toMatchObject({
    code: 'store-occupied',
    message: 'The store holds memory of a VM tiny already.',
  });
});

test('what an agent that was killed had begun to allocate is replaced', async () => {
  await put(join(layout.vm('tiny'), 'ram.new'), 'half');
  await allocateRam(layout, 'tiny', MIB);
  expect(await readdir(layout.vm('tiny'))).toEqual(['ram']);
});

test('a VM that does not fit is refused with what it needs and what is free', async () => {
  const free = await freeBytes(layout);
  const wanted = (Math.ceil(free / MIB) + 1024) * MIB;
  await expect(allocateRam(layout, 'huge', wanted)).rejects.toMatchObject({
    code: 'store-full',
    message: expect.stringMatching(
      /^The memory of VM huge needs \d+[MG] in the store, where \d+[MG] is free\.$/,
    ),
  });
  expect(await readdir(layout.vms)).toEqual([]);
});

test.each(['../x', 'a/b', '', 'A', '.', 'x'.repeat(32), 'a\0b'])(
  '%j is no name to make a path of',
  async (name) => {
    await expect(allocateRam(layout, name, MIB)).rejects.toMatchObject({ code: 'vm-name-invalid' });
    await expect(scrubVm(layout, name)).rejects.toMatchObject({ code: 'vm-name-invalid' });
  },
);

test('scrubbing overwrites every file in place before it is gone', async () => {
  await put(layout.ram('tiny'), 'secret of a tenant');
  await put(join(layout.vm('tiny'), 'device-state'), 'registers');
  const ram = await open(layout.ram('tiny'), 'r');
  const state = await open(join(layout.vm('tiny'), 'device-state'), 'r');
  await scrubVm(layout, 'tiny');
  expect(await readdir(layout.vms)).toEqual([]);
  expect(await readdir(layout.scrubbing)).toEqual([]);
  // The files are gone, but not what these two still hold: the very blocks that were overwritten.
  expect(await ram.readFile()).toEqual(Buffer.alloc('secret of a tenant'.length));
  expect(await state.readFile()).toEqual(Buffer.alloc('registers'.length));
  await ram.close();
  await state.close();
});

test('a VM that has nothing in the store needs no scrubbing', async () => {
  await scrubVm(layout, 'none');
  expect(await readdir(layout.vms)).toEqual([]);
});

test('memory on which a QEMU runs is never scrubbed', async () => {
  await put(layout.ram('busy'), 'in use');
  await lock(layout.ram('busy'));
  await expect(scrubVm(layout, 'busy')).rejects.toMatchObject({
    code: 'store-busy',
    message: 'The memory of VM busy is in use by a running QEMU.',
  });
  expect(await scrubStrangers(layout, new Set())).toEqual([]);
  expect(await readFile(layout.ram('busy'), 'utf8')).toBe('in use');
});

test('a scrub that a crash interrupted is finished', async () => {
  await put(layout.ram('gone'), 'secret');
  await mkdir(layout.scrubbing);
  const aside = join(layout.scrubbing, 'gone-8d7e3f9a-0c1b-4f6e-9a55-1c2d3e4f5a6b');
  await rename(layout.vm('gone'), aside);
  const ram = await open(join(aside, 'ram'), 'r');
  expect(await finishScrubs(layout)).toEqual(['gone']);
  expect(await readdir(layout.scrubbing)).toEqual([]);
  expect(await ram.readFile()).toEqual(Buffer.alloc(6));
  await ram.close();
});

test('what belongs to no VM is scrubbed, what belongs to one is kept', async () => {
  for (const name of ['kept', 'orphan-1', 'orphan-2']) await put(layout.ram(name), name);
  await put(join(layout.vms, 'Not A Vm', 'ram'), 'somebody else');
  expect(await scrubStrangers(layout, new Set(['kept']))).toEqual(['orphan-1', 'orphan-2']);
  expect(await readdir(layout.vms)).toEqual(['Not A Vm', 'kept']);
  expect(await readFile(layout.ram('kept'), 'utf8')).toBe('kept');
});

test('a large file is overwritten to its last byte', async () => {
  await put(layout.ram('large'), '');
  await truncate(layout.ram('large'), 9 * MIB + 3);
  const ram = await open(layout.ram('large'), 'r+');
  await ram.write('end', 9 * MIB);
  await scrubVm(layout, 'large');
  const { buffer } = await ram.read(Buffer.alloc(3, 1), 0, 3, 9 * MIB);
  expect(buffer).toEqual(Buffer.alloc(3));
  await ram.close();
});
