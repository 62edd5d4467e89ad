import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Heartbeat } from '@exuvia/contract';
import { decodeHeartbeat } from '@exuvia/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { INCOMING_ARGUMENTS, startCommandLine } from '../command-line/build.ts';
import type { QmpClient } from '../qmp/client.ts';
import { queryMigration, queryMigrationMode, queryStatus } from '../qmp/queries.ts';
import {
  COUNTING_GUEST_PAGE,
  cprRebootCommands,
  findQemu,
  makeTestRoom,
  type QmpCommandData,
  TEST_BOOT_ID,
  type TestRoom,
} from '../testing/index.ts';
import { cprRebootBlockers } from './preflight.ts';
import { loadFromFile } from './restore.ts';
import { saveToFile, undoSave } from './save.ts';

const qemu = await findQemu();
if ('missing' in qemu) console.warn(`CPR is not tested: ${qemu.missing}`);
const binary = 'binary' in qemu ? qemu.binary : '';

let room: TestRoom;
beforeEach(async () => {
  room = await makeTestRoom('counter');
});
afterEach(async () => {
  await room.remove();
});

const commandLine = () => startCommandLine(room.spec, room.paths, { binary, accelerator: 'tcg' });

async function startGuest(): Promise<QmpClient> {
  room.spawn(commandLine());
  const client = await room.connect();
  await heartbeatBeyond(0n);
  return client;
}

/** The guest's heartbeat, read from its RAM file as soon as it has passed `sequence`. */
async function heartbeatBeyond(sequence: bigint): Promise<Heartbeat> {
  for (;;) {
    const beat = await readBeat();
    if (beat !== null && beat.sequence > sequence) return beat;
  }
}

async function readBeat(): Promise<Heartbeat | null> {
  const file = await open(room.paths.ram, 'r');
  try {
    const page = Buffer.alloc(4096);
    await file.read(page, 0, page.length, COUNTING_GUEST_PAGE);
    return decodeHeartbeat(page);
  } finally {
    await file.close();
  }
}

async function send(client: QmpClient, commands: readonly QmpCommandData[]): Promise<void> {
  for (const command of commands) await client.execute(command.execute, command.arguments);
}

async function migrationEnded(client: QmpClient): Promise<string | undefined> {
  for (;;) {
    const { status } = await queryMigration(client);
    if (status !== 'completed' && status !== 'failed') continue;
    if ((await queryStatus(client)).status !== 'finish-migrate') return status;
  }
}

async function end(client: QmpClient): Promise<void> {
  await client.execute('quit');
  expect(await client.closed).toEqual({ kind: 'quit' });
}

describe.skipIf('missing' in qemu)('a real QEMU with a counting guest', () => {
  test('the guest continues where it was in a second QEMU on the same RAM file', async () => {
    const state = join(room.directory, 'state');
    const commands = cprRebootCommands(state);
    const before = await startGuest();
    await send(before, commands.prepare);
    await send(before, commands.save);
    expect(await migrationEnded(before)).toBe('completed');
    const saved = await heartbeatBeyond(0n);
    const exit = once(room.spawn(['true']), 'exit');
    await end(before);
    await exit;

    room.spawn([...commandLine(), ...INCOMING_ARGUMENTS]);
    const after = await room.connect();
    expect(await readBeat()).toEqual(saved);
    await send(after, commands.load);
    while ((await queryStatus(after)).status === 'inmigrate');
    await send(after, commands.resume);
    // Three rounds over its memory: 256 pages each, every word checked against what the old QEMU's run wrote.
    const beat = await heartbeatBeyond(saved.sequence + 768n);
    expect(beat).toMatchObject({ bootId: TEST_BOOT_ID, errors: 0n });
    expect((await queryStatus(after)).status).toBe('running');
    await end(after);
  });

  test('a saved guest runs on where it is after the rollback, and can be saved again', async () => {
    const commands = cprRebootCommands(join(room.directory, 'state'));
    const client = await startGuest();
    for (let round = 0; round < 2; round++) {
      await send(client, commands.prepare);
      await send(client, commands.save);
      expect(await migrationEnded(client)).toBe('completed');
      expect((await queryStatus(client)).status).toBe('postmigrate');
      const { sequence } = await heartbeatBeyond(0n);
      await send(client, commands.rollback);
      expect((await heartbeatBeyond(sequence)).errors).toBe(0n);
      expect(await queryMigrationMode(client)).toBe('normal');
    }
    await end(client);
  });

  test('the state without RAM is small, the full save holds the RAM and restores into an empty RAM file', async () => {
    const file = join(room.directory, 'full');
    const before = await startGuest();
    await saveToFile(before, file);
    const saved = await heartbeatBeyond(0n);
    await end(before);
    const ram = await open(room.paths.ram, 'r+');
    await ram.truncate(0);
    await ram.close();

    room.spawn([...commandLine(), ...INCOMING_ARGUMENTS, '-S']);
    const after = await room.connect();
    await loadFromFile(after, file, { ram: 'in-file' });
    expect(await queryStatus(after)).toMatchObject({ running: false });
    expect(await readBeat()).toEqual(saved);
    await after.execute('cont');
    expect((await heartbeatBeyond(saved.sequence + 768n)).errors).toBe(0n);
    await end(after);
  });

  test('a save that fails leaves the guest running and no file, with the reason', async () => {
    const client = await startGuest();
    await expect(saveToFile(client, join(room.directory, 'none', 'full'))).rejects.toMatchObject({
      code: 'qmp-command-failed',
      message: `QEMU refused migrate: Could not create '${join(room.directory, 'none', 'full')}': No such file or directory`,
    });
    const { sequence } = await heartbeatBeyond(0n);
    await heartbeatBeyond(sequence);
    expect(await queryMigrationMode(client)).toBe('normal');
    await end(client);
  });

  test('a full save can be taken back', async () => {
    const client = await startGuest();
    await saveToFile(client, join(room.directory, 'full'));
    expect((await queryStatus(client)).running).toBe(false);
    await undoSave(client, true);
    expect((await queryStatus(client)).status).toBe('running');
    expect(await queryMigrationMode(client)).toBe('normal');
    await end(client);
  });

  test('a damaged state is refused with the reason, and the guest does not run', async () => {
    const file = join(room.directory, 'full');
    const before = await startGuest();
    await saveToFile(before, file);
    await end(before);
    const state = await open(file, 'r+');
    await state.write(Buffer.alloc(64, 0xff), 0, 64, 0);
    await state.close();
    room.spawn([...commandLine(), ...INCOMING_ARGUMENTS, '-S']);
    const after = await room.connect();
    await expect(loadFromFile(after, file, { ram: 'in-file' })).rejects.toMatchObject({
      code: 'vm-restore-failed',
      // QEMU 11 goes on: which magic number it found.
      message: expect.stringMatching(
        /^QEMU could not load the saved state: load of migration failed: Invalid argument(: |$)/,
      ),
    });
    expect((await queryStatus(after)).running).toBe(false);
    await end(after);
  });

  test('a VM without blockers has none, and is left in mode normal', async () => {
    const client = await startGuest();
    expect(await cprRebootBlockers(client)).toEqual([]);
    expect(await queryMigrationMode(client)).toBe('normal');
    expect((await queryStatus(client)).status).toBe('running');
    await end(client);
  });

  test('a VM with a device that cannot migrate names its blocker', async () => {
    const shared = ['-object', 'memory-backend-ram,id=shared,size=1M'];
    room.spawn([...commandLine(), ...shared, '-device', 'ivshmem-plain,memdev=shared,master=off']);
    const client = await room.connect();
    expect(await cprRebootBlockers(client)).toEqual([
      "Migration is disabled when using feature 'peer mode' in device 'ivshmem'",
    ]);
    await end(client);
  });
});
