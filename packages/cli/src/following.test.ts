import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { FakeHandover, startTestAgent, type TestAgent } from '@exuvia/agent';
import { afterEach, expect, test } from 'vitest';
import { run } from './testing/run.ts';

let agent: TestAgent;
afterEach(() => agent.stop());

/** Runs an update; the agent is started anew, in the same boot, once `moment` has been printed. */
async function updateWithRestart(words: readonly string[], moment: string) {
  let restarted: Promise<void> | null = null;
  const restart = async () => {
    await agent.stop();
    agent = await startTestAgent({ folder: agent.folder });
  };
  const result = await run(['update', ...words, '--socket', agent.socket], {
    onOutput: (printed) => {
      if (printed.includes(moment)) restarted ??= restart();
    },
  });
  await restarted;
  return result;
}

test('an agent that is started anew before the jump tells how the update ended', async () => {
  agent = await startTestAgent();
  const hold = ['--fault', 'load:hold:after'];
  const { status, out, err } = await updateWithRestart(['--kernel', '7.2', ...hold], 'Held after');
  // The agent says how it ended before it goes, or the next one does.
  expect(err).not.toContain('has jumped');
  expect(status).toBe(1);
  expect(out).toContain('aborted');
});

test('an update that stays in its boot is followed through a lost connection, however far it is', async () => {
  const lost = Promise.withResolvers<void>();
  const handover = new FakeHandover('module', [['switch', 'VM save']]);
  handover.deeds.set('run switch', async (context) => {
    await context.commit();
    await lost.promise;
  });
  agent = await startTestAgent({ handover });
  const connection = await breakable(agent.socket);
  const { status, err } = await run(['update', '--module', 'kvm', '--socket', connection.socket], {
    onOutput: (printed) => {
      if (!printed.includes('The point of no return.')) return;
      if (printed.includes('The connection is gone')) lost.resolve();
      else connection.breakOff();
    },
  });
  expect(err).toContain('\nThe connection is gone. Waiting for the agent.\n');
  expect(status).toBe(0);
  await connection.close();
});

/** A socket from which everything goes on to another one, until the connections of that moment are broken off. */
async function breakable(to: string) {
  const socket = `${to}.breakable`;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(to);
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const) {
      open.add(one);
      one.on('error', () => {}).on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(socket);
  await once(server, 'listening');
  const breakOff = () => {
    for (const one of open) one.destroy();
    open.clear();
  };
  const close = async () => {
    breakOff();
    server.close();
    await once(server, 'close');
  };
  return { socket, breakOff, close };
}
