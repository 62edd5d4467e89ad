import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectControl } from './control.ts';

/**
 * A server of our own speaks the protocol of native/kernel-guest/control.h here, for what a real guest does
 * not do when it is wanted: answer late, out of order, or never. Real ones are in e2e-guest.
 */
let folder: string;
let path: string;
let server: Server;
let guest: Promise<Socket>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-control-'));
  path = join(folder, 'control');
  server = createServer();
  guest = once(server, 'connection').then(([socket]) => socket as Socket);
  server.listen(path);
  await once(server, 'listening');
});
afterEach(async () => {
  (await guest).destroy();
  server.close();
  await rm(folder, { recursive: true });
});

const LIMIT_MS = 5000;
const hex = (text: string) => Buffer.from(text).toString('hex');

async function ready() {
  const connecting = connectControl(path, LIMIT_MS);
  const socket = await guest;
  socket.write('ready 6.12.1\n');
  const requests = createInterface({ input: socket });
  const asked = async () => String((await once(requests, 'line'))[0]).split(' ');
  return { control: await connecting, socket, asked };
}

test('a command reaches the guest, and its answer comes back', async () => {
  const { control, socket, asked } = await ready();
  const request = asked();
  const answer = control.run('uname -r');
  expect(await request).toEqual(['1', hex('uname -r')]);
  socket.write(`1 0 ${hex('6.12.1\n')}\n`);
  expect(await answer).toEqual({ status: 0, output: '6.12.1\n' });
});

test('answers belong to their commands, in whatever order and pieces they come', async () => {
  const { control, socket } = await ready();
  const [first, second] = [control.run('first'), control.run('second')];
  socket.write(`2 3 ${hex('two')}\n1 0 `);
  expect(await second).toEqual({ status: 3, output: 'two' });
  socket.write(`${hex('one')}\n`);
  expect(await first).toEqual({ status: 0, output: 'one' });
});

test('a command that does not end is given up, and its late answer disturbs nothing', async () => {
  const { control, socket } = await ready();
  await expect(control.run('sleep', { timeoutMs: 20 })).rejects.toMatchObject({
    code: 'guest-no-answer',
    message: 'In the guest, `sleep` did not end in time.',
  });
  const next = control.run('next');
  socket.write(`1 0 ${hex('late')}\n2 0 ${hex('in time')}\n`);
  expect(await next).toEqual({ status: 0, output: 'in time' });
});

test('a guest that was booted again says so', async () => {
  const { control, socket } = await ready();
  const again = control.ready(LIMIT_MS);
  socket.write('ready 6.12.1\n');
  await expect(again).resolves.toBeUndefined();
});

test('a guest that never becomes ready is given up', async () => {
  await expect(connectControl(path, 50)).rejects.toMatchObject({
    code: 'guest-not-ready',
    message: 'The guest was not ready within 0.05 s.',
  });
});

test('a guest that ends before it is ready is given up at once', async () => {
  const connecting = connectControl(path, LIMIT_MS);
  const failed = expect(connecting).rejects.toMatchObject({ code: 'guest-not-ready' });
  (await guest).destroy();
  await failed;
});
