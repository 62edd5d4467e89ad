import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { type GuestClock, setGuestClock } from './clock.ts';

/** Stands for the guest at the other end of the channel: it may say anything. The lab has a real qemu-guest-agent. */
const path = join(tmpdir(), `exuvia-guest-agent-${process.pid}.sock`);
let server: Server | undefined;
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server?.close();
  await rm(path, { force: true });
});

type Answer = (command: { execute: string; arguments?: Record<string, unknown> }, socket: Socket) => unknown;

async function guest(answer: Answer): Promise<void> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let begun = '';
    socket.on('data', async (chunk) => {
      const lines = (begun + chunk.toString('latin1').replaceAll('\xff', '')).split('\n');
      begun = lines.pop() ?? '';
      for (const line of lines) {
        const said = await answer(JSON.parse(line), socket);
        if (said !== undefined) socket.write(said instanceof Buffer ? said : `${JSON.stringify(said)}\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server?.listen(path, resolve));
}

const synced = (id: unknown) =>
  Buffer.concat([Buffer.from('rest\n'), Buffer.of(0xff), Buffer.from(`{"return":${id}}\n`)]);

/** A guest whose clock is off, and that takes its time. */
function honest(clock: { offsetMs: number; delayMs: number; refuses?: boolean }): Answer {
  return async ({ execute, arguments: args }) => {
    if (execute === 'guest-sync-delimited') return synced(args?.id);
    await sleep(clock.delayMs);
    if (execute === 'guest-get-time') return { return: (Date.now() + clock.offsetMs) * 1e6 };
    clock.offsetMs = Number(args?.time) / 1e6 - Date.now();
    return clock.refuses ? { error: { class: 'GenericError', desc: 'hwclock failed' } } : { return: {} };
  };
}

/** What is measured here is measured again when this machine had no time for it. */
const BUSY = { retry: 3, timeout: 30_000 };

test.each([
  ['that is behind', { offsetMs: -8000, delayMs: 0 }],
  ['that is slow to answer', { offsetMs: -8000, delayMs: 10 }],
  ['that is ahead', { offsetMs: 60_000, delayMs: 5 }],
  ['without a hardware clock', { offsetMs: -500, delayMs: 0, refuses: true }],
])('the clock of a guest %s is set right', BUSY, async (_, start) => {
  const clock = { ...start };
  await guest(honest(clock));
  const set = await setGuestClock(path, { timeoutMs: 2000 });
  expect(Math.abs(clock.offsetMs)).toBeLessThan(10);
  expect(Math.abs(set.offsetMs)).toBeLessThan(10);
  expectTruth(set, clock);
});

test(
  'a clock that each attempt misses by another while is tried for longer, and is not said to be refused',
  BUSY,
  async () => {
    const clock = { offsetMs: -9000, delayMs: 0, refuses: true };
    const misses = [70, -60, 90, -50, 80];
    const answer = honest(clock);
    await guest(async (command, socket) => {
      const said = await answer(command, socket);
      if (command.execute === 'guest-set-time') clock.offsetMs += misses.shift() ?? 0;
      return said;
    });
    const set = await setGuestClock(path, { timeoutMs: 10_000 });
    expect(misses).toEqual([]);
    expect(Math.abs(set.offsetMs)).toBeLessThan(10);
    expectTruth(set, clock);
  },
);

/** However busy this machine is: the clock is as far off as is said. Both sides know whole milliseconds only. */
function expectTruth(set: GuestClock, { offsetMs }: { offsetMs: number }): void {
  expect(Math.abs(set.offsetMs - offsetMs)).toBeLessThanOrEqual(set.uncertaintyMs + 2);
}

test(
  'behind a channel that takes its time for every byte, it is known better than the channel is fast',
  BUSY,
  async () => {
    const clock = { offsetMs: -3000, delayMs: 0 };
    const answer = honest(clock);
    const reply = async (socket: Socket, command: string) => {
      const said = await answer(JSON.parse(command), socket);
      for (const byte of said instanceof Buffer ? said : Buffer.from(`${JSON.stringify(said)}\n`)) {
        socket.write(Buffer.of(byte));
        await sleep(1);
      }
    };
    server = createServer((socket) => {
      sockets.add(socket);
      let command = '';
      let passed: Promise<void> = Promise.resolve();
      const pass = async (byte: string) => {
        await sleep(1);
        command = `${command}${byte}`.replace(/[\xff\n]/, '');
        if (/^\{.*[}0-9"]\}$/.test(command) && command.split('{').length === command.split('}').length) {
          await reply(socket, command);
          command = '';
        }
      };
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        for (const byte of chunk.toString('latin1')) passed = passed.then(() => pass(byte));
      });
    });
    await new Promise<void>((resolve) => server?.listen(path, resolve));
    const set = await setGuestClock(path, { timeoutMs: 30_000 });
    expect(Math.abs(clock.offsetMs)).toBeLessThan(10);
    expectTruth(set, clock);
    // A question and its answer have more than 50 bytes.
    expect(set.uncertaintyMs).toBeLessThan(15);
  },
);

test('a clock that is right is left alone', async () => {
  const clock = { offsetMs: 0, delayMs: 0 };
  const asked: string[] = [];
  const answer = honest(clock);
  await guest((command, socket) => {
    asked.push(command.execute);
    return answer(command, socket);
  });
  await setGuestClock(path, { timeoutMs: 2000 });
  expect(asked).not.toContain('guest-set-time');
});

test('a guest that may not have its clock set says so', async () => {
  await guest(({ execute, arguments: args }) => {
    if (execute === 'guest-sync-delimited') return synced(args?.id);
    if (execute === 'guest-get-time') return { return: 1e18 };
    return { error: { class: 'GenericError', desc: 'Command guest-set-time has been disabled' } };
  });
  await expect(setGuestClock(path, { timeoutMs: 2000 })).rejects.toMatchObject({
    code: 'guest-agent-refused',
    message: 'Command guest-set-time has been disabled',
  });
});

const SILENT = { code: 'guest-agent-silent' };

test.each<[string, Answer]>([
  ['says nothing', () => undefined],
  ['hangs up', (_, socket) => void socket.destroy()],
  ['answers another question', () => synced(-1)],
  ['says what is no JSON', () => Buffer.from('\xff{"return":\n', 'latin1')],
  ['floods its host', (_, socket) => void socket.write(Buffer.alloc(1 << 20, 'a'))],
  [
    'drips for ever',
    async (_, socket) => {
      while (!socket.destroyed) {
        socket.write('a');
        await sleep(20);
      }
    },
  ],
])('a guest that %s costs no more than the time that it is given', BUSY, async (_, answer) => {
  await guest(answer);
  const begin = performance.now();
  await expect(setGuestClock(path, { timeoutMs: 300 })).rejects.toMatchObject(SILENT);
  expect(performance.now() - begin).toBeLessThan(2000);
});

test.each([
  ['a time that is none', { return: 'now' }],
  ['a negative time', { return: -1 }],
])('a guest that answers with %s is not believed', async (_, reply) => {
  await guest(({ execute, arguments: args }) =>
    execute === 'guest-sync-delimited' ? synced(args?.id) : reply,
  );
  await expect(setGuestClock(path, { timeoutMs: 300 })).rejects.toMatchObject(SILENT);
});

test('a channel that is not there is silent', async () => {
  await expect(setGuestClock(`${path}.none`, { timeoutMs: 300 })).rejects.toMatchObject(SILENT);
});
