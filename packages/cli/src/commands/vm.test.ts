import { PassThrough } from 'node:stream';
import { startTestAgent, type TestAgent } from '@exuvia/agent';
import { ExuviaError } from '@exuvia/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../testing/run.ts';

let agent: TestAgent;
beforeEach(async () => {
  agent = await startTestAgent();
});
afterEach(() => agent.stop());

function createAndStart() {
  const stdin = new PassThrough();
  stdin.end('name: new\nmemory: 128M\nboot: {kernel: /boot/guest}\n');
  return run(['vm', 'create', '-', '--start', '--socket', agent.socket], { stdin });
}

test.each(['vm-running', 'update-running', 'host-busy'])(
  'a VM that was created and not started for %s is left alone',
  async (code) => {
    agent.vms.start = async () => {
      throw new ExuviaError(code, 'Not now.');
    };
    expect(await createAndStart()).toMatchObject({ status: 3, err: 'exuvia: Not now.\n' });
    expect(agent.vms.table.has('new')).toBe(true);
  },
);

test('why a VM cannot be started is said even if it cannot be destroyed either', async () => {
  agent.vms.unstartable.add('new');
  agent.vms.destroy = async () => {
    throw new ExuviaError('host-busy', 'Busy.');
  };
  expect(await createAndStart()).toMatchObject({ status: 3, err: 'exuvia: The store is full.\n' });
});
