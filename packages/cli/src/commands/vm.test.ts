import { PassThrough } from 'node:stream';
import { FakeVms, fakeVm, startTestAgent, type TestAgent } from '@exuvia/agent';
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
    expect(await createAndStart()).toMatchObject({
      status: 3,
      err: 'VM new is created.\nexuvia: Not now.\n',
    });
    expect(agent.vms.table.has('new')).toBe(true);
  },
);

test('a VM whose QEMU does not start is not left behind', async () => {
  agent.vms.start = async () => {
    throw new ExuviaError('vm-start-failed', 'VM new did not start: no such file.');
  };
  expect(await createAndStart()).toMatchObject({
    status: 1,
    err: 'exuvia: VM new did not start: no such file.\n',
  });
  expect(agent.vms.table.has('new')).toBe(false);
});

test('why a VM cannot be started is said even if it cannot be destroyed either', async () => {
  agent.vms.unstartable.add('new');
  agent.vms.destroy = async () => {
    throw new ExuviaError('host-busy', 'Busy.');
  };
  expect(await createAndStart()).toMatchObject({
    status: 3,
    err: 'VM new is created.\nexuvia: The store is full.\n',
  });
});

test('stop --all stops what runs, tells of each VM, and leaves alone what waits to be recovered', async () => {
  await agent.stop();
  const vms = new FakeVms(
    fakeVm('a'),
    fakeVm('b', { state: 'paused' }),
    fakeVm('kept', { state: 'paused', saved: true }),
    fakeVm('off', { state: 'stopped' }),
  );
  agent = await startTestAgent({ vms });
  const stop = vms.stop.bind(vms);
  vms.stop = async (name, powerDownMs) => {
    if (name === 'b') throw new ExuviaError('vm-stop-failed', 'It does not end.');
    return await stop(name, powerDownMs);
  };
  const all = ['vm', 'stop', '--all', '--timeout', '9', '--socket', agent.socket];
  expect(await run(all)).toMatchObject({
    status: 1,
    out: 'VM a is stopped.\nVM b is not stopped: It does not end.\n',
  });
  expect(vms.events).toEqual(['stop a 9000']);
  expect((await run([...all, 'a'])).status).toBe(2);
  expect((await run(['vm', 'stop', '--socket', agent.socket])).status).toBe(2);
});
