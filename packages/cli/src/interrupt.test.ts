import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startTestAgent, type TestAgent, temporaryFolder } from '@exuvia/agent';
import { ExuviaError } from '@exuvia/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from './testing/run.ts';

let agent: TestAgent;
beforeEach(async () => {
  agent = await startTestAgent();
});
afterEach(() => agent.stop());

const exuvia = (line: string, controller: AbortController, after: string) =>
  run([...line.split(' '), '--socket', agent.socket], {
    signal: controller.signal,
    onOutput: (printed) => {
      if (printed.includes(after)) controller.abort(new ExuviaError('interrupted', 'Interrupted.'));
    },
  });
const runningUpdate = async () =>
  (await run(['update', '--kernel', '7.2', '--no-wait', '--json', '--socket', agent.socket])).out;

/** The real program, interrupted once it waits for the answer of an agent that gives none. */
async function interruptReal(...words: string[]) {
  const path = join(await temporaryFolder(), 'silent.sock');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const program = spawn(
    process.execPath,
    [join(import.meta.dirname, 'main.ts'), ...words, '--socket', path],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [[socket], out, err] = [await once(server, 'connection'), text(program.stdout), text(program.stderr)];
  await once(socket, 'data');
  program.kill('SIGINT');
  const [status, signal] = await once(program, 'close');
  server.close();
  return { status, signal, out: await out, err: await err };
}

test('Ctrl-C ends a command that has nothing to say about it, as it ends any program', async () => {
  expect(await interruptReal('vm', 'list')).toEqual({ status: null, signal: 'SIGINT', out: '', err: '' });
});

test('Ctrl-C ends an update that is being planned', async () => {
  expect(await interruptReal('update', '--kernel', '7.2')).toEqual({
    status: 130,
    signal: null,
    out: '',
    err: 'exuvia: Interrupted.\n',
  });
});

test('an update that was interrupted while it was planned does not begin', async () => {
  const controller = new AbortController();
  agent.handover.checks = async () => {
    controller.abort(new ExuviaError('interrupted', 'Interrupted.'));
    return [];
  };
  expect(await exuvia('update --kernel 7.2', controller, 'never')).toEqual({
    status: 130,
    out: '',
    err: 'exuvia: Interrupted.\n',
  });
  const planned = await run(['plan', '--kernel', '7.2', '--json', '--socket', agent.socket]);
  const { id } = JSON.parse(planned.out);
  expect((await exuvia(`update --plan ${id}`, controller, 'never')).status).toBe(130);
  expect(agent.handover.events).toEqual([]);
});

test('Ctrl-C leaves an update that has begun, and says so', async () => {
  const { status, err } = await exuvia(
    'update --kernel 7.2 --fault save:hold:after',
    new AbortController(),
    'Held after step save.',
  );
  expect(status).toBe(130);
  expect(err).toMatch(/\nexuvia: Update \S+ goes on: exuvia status shows it, exuvia abort ends it\.\n$/);
});

test('Ctrl-C while an abort is waited for says that the abort goes on, as JSON, too', async () => {
  const held = Promise.withResolvers<void>();
  agent.handover.deeds.set('run load', () => held.promise);
  const { id } = JSON.parse(await runningUpdate());
  const controller = new AbortController();
  controller.abort(new ExuviaError('interrupted', 'Interrupted.'));
  const { status, out, err } = await exuvia('abort --json', controller, 'never');
  expect({ status, err }).toEqual({ status: 130, err: '' });
  expect(JSON.parse(out)).toEqual({
    error: { code: 'interrupted', message: `The abort of update ${id} goes on: exuvia status shows it.` },
  });
  held.resolve();
});
