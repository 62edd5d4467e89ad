import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { FakeVms, fakeVm, startTestAgent, type TestAgent } from '@exuvia/agent';
import { afterEach, expect, test } from 'vitest';
import { type RunOptions, run } from '../testing/run.ts';

let agent: TestAgent;
afterEach(() => agent.stop());

const openConsole = (name: string, options?: RunOptions) =>
  run(['vm', 'console', name, '--socket', agent.socket], options);

/** An agent with a VM `web`, whose serial console is `onConnection`. */
async function vmWithConsole(onConnection: (socket: Socket) => void): Promise<void> {
  agent = await startTestAgent();
  const path = join(agent.folder, 'console.sock');
  const server = createServer((socket) => {
    onConnection(socket);
    socket.once('close', () => server.close());
  }).listen(path);
  await once(server, 'listening');
  agent.vms.table.set('web', fakeVm('web', { console: path }));
}

test('the console connects terminal and VM, and Ctrl-] leaves', async () => {
  await vmWithConsole((socket) => {
    socket.write('login: ');
    socket.on('data', (data) => socket.write(data.toString('latin1').toUpperCase()));
  });
  const stdin = new PassThrough();
  const result = openConsole('web', {
    stdin,
    onOutput: (printed) => {
      if (printed.endsWith('login: ')) stdin.write('root\r');
      if (printed.endsWith('ROOT\r')) stdin.write('\x1dignored');
    },
  });
  expect(await result).toEqual({
    status: 0,
    out: 'login: ROOT\r',
    err: 'Connected to web; Ctrl-] leaves.\n\n',
  });
});

test('what a guest prints is passed on byte by byte', async () => {
  await vmWithConsole((socket) => socket.end('Grüße ✓ \x1b[1m'));
  expect((await openConsole('web')).out).toBe('Grüße ✓ \x1b[1m');
});

test('a VM without a console is refused, and says why', async () => {
  agent = await startTestAgent({ vms: new FakeVms(fakeVm('web'), fakeVm('db', { state: 'stopped' })) });
  expect(await openConsole('db')).toEqual({
    status: 3,
    out: '',
    err: 'exuvia: VM db has no console: it is stopped.\n',
  });
  expect((await openConsole('web')).err).toBe(
    'exuvia: VM web has no console: it was created without a serial console.\n',
  );
});
