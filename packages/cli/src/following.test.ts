import { appendFile, readFile } from 'node:fs/promises';
import { FakeHandover, startTestAgent, type TestAgent } from '@exuvia/agent';
import { afterEach, expect, test } from 'vitest';
import { run } from './testing/run.ts';

let agent: TestAgent;
afterEach(() => agent.stop());

/** Runs an update; the agent is started anew, in the same boot, once `moment` has been printed. */
async function updateWithRestart(
  words: readonly string[],
  moment: string,
  { handover, ready }: { handover?: FakeHandover; ready?: Promise<void> } = {},
) {
  let restarted: Promise<void> | null = null;
  const restart = async () => {
    await ready;
    await agent.stop();
    agent = await startTestAgent({
      folder: agent.folder,
      ...(handover === undefined ? {} : { handover }),
    });
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

test('an update that stays in its boot is followed through a restart of the agent, however far it is', async () => {
  agent = await startTestAgent({ handover: new FakeHandover('module') });
  const committed = Promise.withResolvers<void>();
  const commit = async () => {
    const update = (await readFile(agent.paths.journal, 'utf8')).match(/"update":"([^"]+)"/)?.[1];
    const record = { v: 1, kind: 'commit', at: new Date(0).toISOString(), bootId: 'boot-1', update };
    await appendFile(agent.paths.journal, `${JSON.stringify(record)}\n`);
    committed.resolve();
    await new Promise(() => {});
  };
  agent.handover.deeds.set('run jump', commit);
  const next = new FakeHandover('module');
  next.deeds.set('run jump', () => undefined);
  const { status, err } = await updateWithRestart(['--module', 'kvm'], 'jumping\n', {
    handover: next,
    ready: committed.promise,
  });
  expect(err).toContain('\nThe connection is gone. Waiting for the agent.\n');
  expect(status).toBe(0);
});
