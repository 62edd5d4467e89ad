import { mkdir, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { sampleMemory } from '@exuvia/sys';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeState, requireWhole, sampledMemory, sealState } from './seal.ts';

const STRIDE = 524288;
const MEMORY = 4 * STRIDE;
let directory: string;
let state: string;
let ram: string;
let updates: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'exuvia-seal-'));
  state = join(directory, 'device-state');
  ram = join(directory, 'ram');
  updates = join(directory, 'updates');
  await writeFile(state, Buffer.from(Array.from({ length: 300 }, (_, index) => index % 251)));
  await writeFile(ram, Buffer.alloc(MEMORY, 7));
});
afterEach(() => rm(directory, { recursive: true }));

const check = (name = 'web') => requireWhole(name, { state, ram }, updates);
const hex = (crc: number) => crc.toString(16).padStart(8, '0');

/** A manifest as exuvia-pause writes it. */
async function writeManifest(update: string, head = 'exuvia-manifest 1') {
  const bytes = await readFile(state);
  const memory = await sampleMemory(ram, MEMORY, STRIDE);
  await mkdir(join(updates, update), { recursive: true });
  await writeFile(
    join(updates, update, 'manifest'),
    `${head}\nstate web ${bytes.length} ${hex(crc32(bytes))}\nram web ${MEMORY} ${STRIDE} ${hex(memory)}\nleft other\n`,
  );
}

test('a state that is what was saved is whole, whether the agent or exuvia-pause sealed it', async () => {
  await sealState('web', state);
  await expect(check()).resolves.toBeUndefined();
  await rm(`${state}.seal`);
  await expect(check()).rejects.toMatchObject({ code: 'vm-state-unsealed' });
  await writeManifest('20261121-100000-abcd');
  await expect(check()).resolves.toBeUndefined();
});

test('a state that nobody has sealed, or whose manifest was voided as VMs ran on, is refused', async () => {
  const message = `${state} is not sealed: the update was undone or interrupted before the state was complete. It is not loaded.`;
  await expect(check()).rejects.toMatchObject({ code: 'vm-state-unsealed', message });
  await writeManifest('20261121-100000-abcd', 'void');
  await expect(check()).rejects.toMatchObject({ code: 'vm-state-unsealed', message });
  await expect(check('other')).rejects.toMatchObject({ code: 'vm-state-unsealed' });
});

test('of two manifests the newer counts', async () => {
  await writeManifest('20261121-100000-abcd');
  await writeFile(state, 'another state');
  await writeManifest('20261121-110000-0000');
  await expect(check()).resolves.toBeUndefined();
});

test.each(['truncated', 'longer', 'empty'])('a state that is %s is refused', async (how) => {
  await writeManifest('20261121-100000-abcd');
  await truncate(state, { truncated: 299, longer: 301, empty: 0 }[how]);
  await expect(check()).rejects.toMatchObject({
    code: 'vm-state-damaged',
    message: `${state} is not what was saved: it is not loaded.`,
    hint: 'To give it up: `exuvia vm stop web`; `exuvia vm start web` then starts the VM from its disks.',
  });
});

test('a state with any one byte changed is refused', async () => {
  await writeManifest('20261121-100000-abcd');
  const whole = await readFile(state);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
    await writeFile(state, damaged);
    await expect(check(), `byte ${at}`).rejects.toMatchObject({ code: 'vm-state-damaged' });
  }
});

test('memory that was overwritten somewhere for half a megabyte is not used', async () => {
  await writeManifest('20261121-100000-abcd');
  for (let piece = 0; piece < MEMORY / STRIDE; piece++) {
    const file = await open(ram, 'r+');
    await file.write(Buffer.alloc(STRIDE, 0), 0, STRIDE, piece * STRIDE);
    await expect(check(), `piece ${piece}`).rejects.toMatchObject({
      code: 'vm-memory-damaged',
      message:
        'The memory of VM web is not what it was when the VM was saved (the machine was reset, or lost power): it is not used.',
    });
    await file.write(Buffer.alloc(STRIDE, 7), 0, STRIDE, piece * STRIDE);
    await file.close();
  }
  await expect(check()).resolves.toBeUndefined();
});

test('the agent seals the memory with the state where it stays in place', async () => {
  await sealState('web', state, await sampledMemory(ram));
  const [, ...sealed] = (await readFile(`${state}.seal`, 'utf8')).split('\n');
  await writeManifest('20261121-100000-abcd');
  const manifest = await readFile(join(updates, '20261121-100000-abcd', 'manifest'), 'utf8');
  expect(sealed).toEqual([...manifest.split('\n').slice(1, 3), '']);
  await expect(check()).resolves.toBeUndefined();
  await writeFile(ram, Buffer.alloc(MEMORY, 8));
  await expect(check()).rejects.toMatchObject({ code: 'vm-memory-damaged' });
  await removeState(state);
  expect(await readdir(directory)).toEqual(['ram', 'updates']);
});

test('memory of another size is not used', async () => {
  await writeManifest('20261121-100000-abcd');
  await truncate(ram, MEMORY - STRIDE);
  await expect(check()).rejects.toMatchObject({ code: 'vm-memory-damaged' });
});
