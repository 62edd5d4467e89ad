import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HEARTBEAT_BYTES, HEARTBEAT_MAGIC } from '@exuvia/contract';
import { beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../testing/folder.ts';
import { createHeartbeatReader } from './reader.ts';

const MIB = 2 ** 20;
let ram: string;
beforeEach(async () => {
  ram = join(await temporaryFolder(), 'ram');
  await writeFile(ram, Buffer.alloc(9 * MIB));
});

function page(name: string, sequence: bigint, realtimeNs: bigint): Buffer {
  const bytes = Buffer.alloc(HEARTBEAT_BYTES);
  HEARTBEAT_MAGIC.copy(bytes);
  bytes.writeUInt32LE(1, 16);
  bytes.writeBigUInt64LE(sequence, 24);
  bytes.writeBigUInt64LE(realtimeNs, 40);
  bytes.write('01234567-89ab-cdef-0123-456789abcdef', 48, 'latin1');
  bytes.write(name, 88, 'latin1');
  bytes.writeBigUInt64LE(sequence, 152);
  return bytes;
}

async function poke(bytes: Buffer, at: number): Promise<void> {
  const file = await open(ram, 'r+');
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

test('a memory without a heartbeat page has no heartbeat', async () => {
  expect(await createHeartbeatReader().read('web', ram)).toBeNull();
  expect(await createHeartbeatReader().read('web', `${ram}-none`)).toBeNull();
});

test('the page is found wherever it lies, and followed', async () => {
  const reader = createHeartbeatReader();
  await poke(page('web', 5n, 100n), 8 * MIB + 4096);
  expect((await reader.read('web', ram))?.sequence).toBe(5n);
  await poke(page('web', 6n, 101n), 8 * MIB + 4096);
  expect(await reader.read('web', ram)).toMatchObject({
    sequence: 6n,
    realtimeNs: 101n,
    bootId: '01234567-89ab-cdef-0123-456789abcdef',
  });
});

test('the magic text elsewhere than at the beginning of a page is no heartbeat', async () => {
  await poke(page('web', 5n, 100n), 3 * MIB + 512);
  expect(await createHeartbeatReader().read('web', ram)).toBeNull();
});

test('a page of another VM is not taken for this one', async () => {
  await poke(page('db', 5n, 100n), MIB);
  expect(await createHeartbeatReader().read('web', ram)).toBeNull();
});

test('of two pages it is the one that was written last', async () => {
  await poke(page('web', 900n, 100n), MIB);
  await poke(page('web', 5n, 200n), 2 * MIB);
  expect((await createHeartbeatReader().read('web', ram))?.sequence).toBe(5n);
});

test('a guest that was restarted is found at its new place', async () => {
  const reader = createHeartbeatReader();
  await poke(page('web', 900n, 100n), MIB);
  expect((await reader.read('web', ram))?.sequence).toBe(900n);
  await poke(page('web', 1n, 200n), 6 * MIB);
  expect((await reader.read('web', ram))?.sequence).toBe(1n);
});
