import { createServer } from 'node:http';
import { join } from 'node:path';
import { startTestAgent, type TestAgent, temporaryFolder } from '@exuvia/agent';
import type { UpdateEvent } from '@exuvia/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Client, createClient } from './client.ts';
import { Refused, Unreachable } from './errors.ts';

let agent: TestAgent;
let client: Client;
beforeEach(async () => {
  agent = await startTestAgent();
  client = createClient({ socketPath: agent.socket });
});
afterEach(async () => {
  await client.close();
  await agent.stop();
});

const SPEC = {
  version: 1,
  name: 'new',
  vcpus: 2,
  memory: '128M',
  machine: 'pc-q35-10.0',
  cpu: 'host',
  boot: { kernel: '/boot/guest', cmdline: '' },
  disks: [],
  serial: true,
  priority: 100,
  autostart: false,
  onFailure: 'abort',
  heartbeat: false,
  limits: {},
  nice: 0,
  guestAgent: 'none',
  extraArgs: [],
} as const;

test('every route of VMs and host has its method', async () => {
  expect((await client.host()).hostname).toBe('testhost');
  expect((await client.doctor()).handovers).toHaveLength(1);
  expect(await client.createVm({ ...SPEC, disks: [], networks: [], extraArgs: [] })).toMatchObject({
    name: 'new',
    state: 'stopped',
  });
  expect((await client.startVm('new')).state).toBe('running');
  expect((await client.stopVm('new', 7)).state).toBe('stopped');
  expect((await client.stopVm('web')).state).toBe('stopped');
  expect(agent.vms.events).toEqual(['start new', 'stop new 7', 'stop web 60000']);
  await client.destroyVm('new');
  expect((await client.vms()).map((vm) => vm.name)).toEqual(['web', 'db']);
  expect((await client.vm('db')).name).toBe('db');
  expect(await client.setup('1G')).toMatchObject({ region: { size: 2 ** 30 } });
  expect((await client.undoSetup()).state).toBe('undone');
  expect(await client.metrics()).toContain('exuvia_vms{state="stopped"} 2');
  expect(await client.openApi()).toMatchObject({ openapi: '3.1.0' });
});

test('a refusal keeps code, message, hint and status', async () => {
  const refused = await client.heartbeat('web').catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Refused);
  expect(refused).toMatchObject({
    code: 'heartbeat-unknown',
    message: 'The memory of VM web holds no heartbeat page.',
    hint: 'See /usr/share/doc/exuvia/heartbeat.md.',
    status: 404,
  });
});

test('a name that is no name cannot reach another route', async () => {
  await expect(client.vm('../updates')).rejects.toMatchObject({ code: 'request-invalid', status: 400 });
});

test('an agent that is not there is unreachable', async () => {
  const nowhere = createClient({ socketPath: join(agent.folder, 'none.sock') });
  const failure = await nowhere.host().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Unreachable);
  expect(failure).toMatchObject({
    code: 'agent-unreachable',
    message: `The agent at ${agent.folder}/none.sock cannot be reached: connect ENOENT ${agent.folder}/none.sock.`,
  });
  await nowhere.close();
});

test('a guest may take as long to power down as was asked for', async () => {
  const stop = agent.vms.stop.bind(agent.vms);
  const down = Promise.withResolvers<void>();
  agent.vms.stop = async (name, options) => {
    await down.promise;
    return await stop(name, options);
  };
  const impatient = createClient({ socketPath: agent.socket }, { answerTimeoutMs: 200 });
  const patiently = impatient.stopVm('web', 3_600_000);
  await expect(impatient.stopVm('db', 0)).rejects.toMatchObject({ code: 'agent-unreachable' });
  down.resolve();
  expect((await patiently).state).toBe('stopped');
  await impatient.close();
});

test('an answer of another shape names both sides', async () => {
  const path = join(await temporaryFolder(), 'other.sock');
  const other = createServer((request, response) => {
    response.statusCode = request.url === '/v1/doctor' ? 502 : 200;
    response.end('{"unexpected":true}');
  });
  const listening = Promise.withResolvers<void>();
  other.listen(path, () => listening.resolve());
  await listening.promise;
  const odd = createClient({ socketPath: path });
  await expect(odd.host()).rejects.toMatchObject({
    code: 'answer-invalid',
    message: "The agent's answer to /v1/host is not what this client knows.",
  });
  await expect(odd.doctor()).rejects.toMatchObject({
    code: 'answer-invalid',
    message: 'The agent answered with HTTP status 502.',
  });
  await odd.close();
  other.close();
});

test('an update is followed to its end', async () => {
  agent.handover.deeds.set('run save', () => {
    throw new Error('No space.');
  });
  const plan = await client.makePlan({ kernel: '7.2' });
  const { id } = await client.startUpdate({ plan: plan.id });
  const events: UpdateEvent[] = [];
  for await (const event of client.follow(id)) events.push(event);
  expect(events.at(-1)).toMatchObject({
    message: 'The update is aborted: Step save failed: No space.',
    update: { state: 'aborted', reason: 'Step save failed: No space.' },
  });
  expect(await client.update(id)).toEqual(events.at(-1)?.update);
  expect((await client.updates()).map((update) => update.id)).toEqual([id]);
  expect((await client.report(id)).outcome).toBe('aborted');
  const ended: string[] = [];
  for await (const event of client.follow(id)) ended.push(event.update.state);
  expect(ended).toEqual(['aborted']);
});

test('a held update goes on, and an aborted one says so', async () => {
  const { id } = await client.startUpdate({
    kernel: '7.2',
    fault: { step: 'load', action: 'hold', when: 'after' },
  });
  const follow = client.follow(id);
  for await (const event of follow) if (event.message === 'Held after step load.') break;
  expect((await client.continue(id)).id).toBe(id);
  for await (const event of client.follow(id)) if (event.update.state === 'jumping') break;
  await expect(client.abort(id)).rejects.toMatchObject({ code: 'update-jumping' });
});

test('following goes on through a jump, with the agent of the new side', async () => {
  const { id } = await client.startUpdate({ kernel: '7.2' });
  const states: string[] = [];
  let lost = 0;
  const onLost = () => {
    lost += 1;
  };
  for await (const event of client.follow(id, { reconnectForMs: 60_000, onLost })) {
    states.push(event.update.state);
    if (event.update.state !== 'jumping' || lost > 0) continue;
    // What the pause program writes before it jumps.
    const { appendFile } = await import('node:fs/promises');
    const commit = { v: 1, kind: 'commit', at: new Date(0).toISOString(), bootId: 'boot-1', update: id };
    await appendFile(agent.paths.journal, `${JSON.stringify(commit)}\n`);
    await agent.stop();
    agent = await startTestAgent({ folder: agent.folder, host: { bootId: 'boot-2' } });
  }
  expect(lost).toBe(1);
  expect(states.at(-1)).toBe('completed');
});

test('following an update that does not exist is refused, not waited for', async () => {
  await expect(client.follow('nope', { reconnectForMs: 60_000 }).next()).rejects.toMatchObject({
    code: 'update-unknown',
  });
});

test('without a promise to reconnect the end of the agent ends the following', async () => {
  const { id } = await client.startUpdate({ kernel: '7.2' });
  const follow = client.follow(id);
  for await (const event of client.follow(id)) if (event.update.state === 'jumping') break;
  await follow.next();
  const rest = (async () => {
    for await (const _ of follow) await Promise.resolve();
  })();
  const ended = expect(rest).rejects.toMatchObject({ code: 'agent-unreachable' });
  await agent.stop();
  await ended;
  agent = await startTestAgent({ folder: agent.folder });
});

test('an observation is stored in the report', async () => {
  agent.handover.deeds.set('run load', () => {
    throw new Error('Not today.');
  });
  const { id } = await client.startUpdate({ kernel: '7.2' });
  for await (const _ of client.follow(id)) await Promise.resolve();
  const observation = { observer: 'lab', clock: 'own', vms: [] };
  expect((await client.observe(id, observation)).observation).toEqual(observation);
});
