import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestAgent, type TestAgent } from '../testing/agent.ts';
import { ask } from '../testing/ask.ts';
import { FakeVms, fakeReport, fakeVm } from '../testing/fakes.ts';
import { untilState } from '../testing/until.ts';

let agent: TestAgent;
beforeEach(async () => {
  agent = await startTestAgent();
});
afterEach(() => agent.stop());

const get = (path: string) => ask(agent.socket, 'GET', path);
const post = (path: string, body?: unknown) => ask(agent.socket, 'POST', path, body);
const error = async (answer: ReturnType<typeof ask>) => {
  const { status, body } = await answer;
  const { code, message } = (body as { error: { code: string; message: string } }).error;
  return `${status} ${code}: ${message}`;
};
const SPEC = { name: 'new', memory: '128M', boot: { kernel: '/boot/guest' } };

test('the host says what it is', async () => {
  expect(await get('/v1/host')).toMatchObject({
    status: 200,
    body: { hostname: 'testhost', kernel: '6.12.107+deb13-amd64', update: null },
  });
});

test("the doctor's findings begin with the agent's own", async () => {
  expect((await get('/v1/doctor')).body).toEqual({
    checks: [
      { id: 'journal', subject: 'host', verdict: 'ok', reason: `${agent.paths.journal} is sound.` },
      { id: 'remote-access', subject: 'host', verdict: 'ok', reason: 'Remote access is off.' },
      { id: 'kvm', subject: 'host', verdict: 'ok', reason: 'KVM works.' },
    ],
    handovers: [{ handover: 'kexec', possible: true, reasons: [] }],
  });
});

test('a VM is created with every default, started, stopped and destroyed', async () => {
  expect(await post('/v1/vms', SPEC)).toMatchObject({
    status: 200,
    body: { name: 'new', state: 'stopped', spec: { machine: 'pc-q35-10.0', vcpus: 1, disks: [] } },
  });
  expect(await post('/v1/vms/new/start')).toMatchObject({ status: 200, body: { state: 'running' } });
  expect(await post('/v1/vms/new/stop')).toMatchObject({ status: 200, body: { state: 'stopped' } });
  expect(await post('/v1/vms/web/stop', { timeoutMs: 5 })).toMatchObject({ status: 200 });
  expect(agent.vms.events).toEqual(['start new', 'stop new 60000', 'stop web 5']);
  expect(await ask(agent.socket, 'DELETE', '/v1/vms/new')).toMatchObject({ status: 204, body: '' });
  expect(await error(get('/v1/vms/new'))).toBe('404 vm-unknown: There is no VM new.');
});

test('a second VM of a name is refused', async () => {
  expect(await error(post('/v1/vms', { ...SPEC, name: 'web' }))).toBe(
    '409 vm-exists: There is a VM web already.',
  );
});

const NAME_RULE = 'must be 1 to 31 lower-case letters, digits and hyphens, starting with a letter';
test.each(['..', '%2e%2e%2fetc', 'a;rm', '$(id)', 'A', 'a/b', 'x'.repeat(32), '-a', "a'b"])(
  'a VM name with path or shell characters (%s) is refused before anything looks at it',
  async (name) => {
    const asked = ask(agent.socket, 'POST', '/v1/vms', { ...SPEC, name: decodeURIComponent(name) });
    expect(await error(asked)).toBe(`400 request-invalid: The request is not valid: name ${NAME_RULE}.`);
    const path = `/v1/vms/${encodeURIComponent(decodeURIComponent(name))}`;
    const answer = await ask(agent.socket, 'DELETE', path);
    // `..` never reaches a route: URLs are normalised before.
    expect([400, 404]).toContain(answer.status);
    expect(agent.vms.table.size).toBe(2);
  },
);

test.each([
  [
    'an unversioned machine',
    { ...SPEC, machine: 'q35' },
    /^400 request-invalid: .*machine must be a versioned machine type/,
  ],
  ['an unknown field', { ...SPEC, colour: 'red' }, /^400 request-invalid: .*Unrecognized key/],
  ['a missing field', { name: 'new' }, /^400 request-invalid: .*memory Invalid input/],
  ['no JSON', '{', /^400 body-invalid: The request's body is not JSON\.$/],
  ['no body', undefined, /^400 request-invalid: /],
])('a spec with %s is refused', async (_, body, expected) => {
  expect(await error(post('/v1/vms', body))).toMatch(expected);
});

test('a setup takes a size and is told in bytes', async () => {
  expect(await post('/v1/setup', { memory: '2G' })).toMatchObject({
    status: 200,
    body: { state: 'reboot-needed', region: { size: 2 ** 31 } },
  });
  expect(await error(post('/v1/setup', { memory: 'much' }))).toMatch(
    /^400 request-invalid: .*memory must be a whole number/,
  );
  expect(await ask(agent.socket, 'DELETE', '/v1/setup')).toMatchObject({
    status: 200,
    body: { state: 'undone' },
  });
});

test('a plan is made, kept, and executed by its id, once', async () => {
  const made = await post('/v1/plans', { kernel: '7.2' });
  const plan = made.body as { id: string };
  expect(made).toMatchObject({
    status: 200,
    body: { target: { kernel: '7.2.12+deb13-amd64' }, vms: [{ name: 'web' }], executable: true },
  });
  expect((await get(`/v1/plans/${plan.id}`)).body).toEqual(plan);
  expect(await get('/v1/updates')).toMatchObject({ status: 200, body: [] });

  agent.handover.deeds.set('run load', () => {
    throw new Error('Not today.');
  });
  expect(await post('/v1/updates', { plan: plan.id })).toMatchObject({ status: 200, body: { id: plan.id } });
  await untilState(agent, plan.id, 'aborted');
  expect(await error(post('/v1/updates', { plan: plan.id }))).toBe(
    `409 plan-used: Plan ${plan.id} has been executed already.`,
  );
  expect(await get('/v1/updates')).toMatchObject({ body: [{ id: plan.id, state: 'aborted' }] });
});

test('an unknown kernel is refused with what is installed and the apt line, and nothing is changed', async () => {
  expect(await post('/v1/plans', { kernel: '7.9' })).toMatchObject({
    status: 422,
    body: {
      error: {
        code: 'kernel-unknown',
        message:
          'No kernel 7.9 is installed on this host. Installed: 6.12.107+deb13-amd64, 7.2.12+deb13-amd64.',
        hint: 'Install it: apt install linux-image-7.9-amd64',
      },
    },
  });
  expect(await error(post('/v1/updates', { kernel: '7.9' }))).toMatch(/^422 kernel-unknown: /);
  expect((await get('/v1/updates')).body).toEqual([]);
});

test('an update with a failed check is refused with its reason', async () => {
  agent.handover.checksFound = [
    {
      id: 'store',
      subject: 'host',
      verdict: 'fail',
      reason: 'There is no store.',
      remedy: 'exuvia setup --memory SIZE',
    },
  ];
  expect(await post('/v1/updates', { kernel: '7.2' })).toMatchObject({
    status: 409,
    body: {
      error: {
        code: 'plan-not-executable',
        message: 'The host is not ready for this update: host: There is no store.',
        hint: 'exuvia setup --memory SIZE',
      },
    },
  });
  expect(agent.handover.events).toEqual([]);
});

test('a plan that no longer fits the host is refused', async () => {
  const { id } = (await post('/v1/plans', { kernel: '7.2' })).body as { id: string };
  await post('/v1/vms/db/start');
  expect(await error(post('/v1/updates', { plan: id }))).toBe(
    `409 plan-outdated: Plan ${id} no longer fits this host: the running VMs are db (134217728 bytes), web (134217728 bytes), not web (134217728 bytes).`,
  );
});

test('an update is refused while a VM is being changed', async () => {
  const changing = Promise.withResolvers<void>();
  class SlowVms extends FakeVms {
    override async start(name: string) {
      await changing.promise;
      return super.start(name);
    }
  }
  await agent.stop();
  agent = await startTestAgent({ vms: new SlowVms(fakeVm('db', { state: 'stopped' })) });
  const starting = post('/v1/vms/db/start');
  await get('/v1/vms');
  expect(await error(post('/v1/updates', { kernel: '7.2' }))).toBe(
    '409 host-busy: A VM or the host is being changed just now.',
  );
  changing.resolve();
  expect((await starting).status).toBe(200);
});

test.each([
  [
    'neither plan nor kernel',
    {},
    '400 request-invalid: An update needs either a plan, or what is wanted: a kernel, a QEMU, modules or all.',
  ],
  [
    'both',
    { plan: 'a', kernel: '7.2' },
    '400 request-invalid: An update needs either a plan, or what is wanted: a kernel, a QEMU, modules or all.',
  ],
  ['an unknown plan', { plan: 'a' }, '404 plan-unknown: There is no plan a.'],
])('an update of %s is refused', async (_, body, expected) => {
  expect(await error(post('/v1/updates', body))).toBe(expected);
});

const OBSERVATION = {
  observer: 'lab',
  clock: 'CLOCK_MONOTONIC of the lab machine',
  vms: [
    {
      name: 'web',
      blackoutMs: 1234.5,
      bootIdSame: true,
      sequenceMonotonic: true,
      integrity: 'ok',
      gaps: [[0, 1]],
    },
  ],
};

test('an observation becomes part of the report and of the metrics', async () => {
  agent.handover.deeds.set('run load', () => {
    throw new Error('Not today.');
  });
  const { id } = (await post('/v1/updates', { kernel: '7.2' })).body as { id: string };
  await untilState(agent, id, 'aborted');
  const path = `/v1/updates/${id}/observation`;
  expect(await ask(agent.socket, 'PUT', path, OBSERVATION)).toMatchObject({ status: 200 });
  expect((await get(`/v1/updates/${id}/report`)).body).toMatchObject({ observation: OBSERVATION });
  expect((await get('/metrics')).body).toContain(
    'exuvia_vm_blackout_seconds{vm="web",handover="kexec"} 1.2345\n',
  );
  const stranger = { ...OBSERVATION, vms: OBSERVATION.vms.map((vm) => ({ ...vm, name: 'db' })) };
  expect(await error(ask(agent.socket, 'PUT', path, stranger))).toBe(
    `400 observation-invalid: VM db was not part of update ${id}.`,
  );
});

test('a running update cannot be observed to its end', async () => {
  const { id } = (await post('/v1/updates', { kernel: '7.2' })).body as { id: string };
  await untilState(agent, id, 'jumping');
  expect(await error(ask(agent.socket, 'PUT', `/v1/updates/${id}/observation`, OBSERVATION))).toBe(
    `409 update-running: Update ${id} is jumping: observe it to its end first.`,
  );
});

test('a plan expects what the updates before it have cost', async () => {
  agent.handover.deeds.set('run load', () => {
    throw new Error('Not today.');
  });
  const { id } = (await post('/v1/updates', { kernel: '7.2' })).body as { id: string };
  await untilState(agent, id, 'aborted');
  const { plan } = { plan: (await get(`/v1/plans/${id}`)).body as Parameters<typeof fakeReport>[0] };
  const { writeFile } = await import('node:fs/promises');
  await writeFile(`${agent.paths.updates}/${id}/report.json`, JSON.stringify(fakeReport(plan)));
  expect((await post('/v1/plans', { kernel: '7.2' })).body).toMatchObject({ expectedBlackoutMs: 550 });
});

test.each([
  ['GET', '/v1/updates/nope', '404 update-unknown: There is no update nope.'],
  ['GET', '/v1/updates/nope/report', '404 update-unknown: There is no update nope.'],
  ['GET', '/v1/updates/nope/events', '404 update-unknown: There is no update nope.'],
  ['POST', '/v1/updates/nope/abort', '404 update-unknown: There is no update nope.'],
  ['POST', '/v1/updates/nope/continue', '404 update-unknown: There is no update nope.'],
  [
    'GET',
    '/v1/updates/NOPE',
    '400 request-invalid: The request is not valid: id must be the id of a plan or update.',
  ],
  ['GET', '/v1/nothing', '404 route-unknown: There is no GET /v1/nothing.'],
  ['GET', '/v1/vms/web/heartbeat', '404 heartbeat-unknown: The memory of VM web holds no heartbeat page.'],
])('%s %s is answered with a reason', async (method, path, expected) => {
  expect(await error(ask(agent.socket, method, path))).toBe(expected);
});

test('a body that is too large is refused', async () => {
  const body = JSON.stringify({ ...SPEC, extraArgs: ['x'.repeat(33 * 1024 * 1024)] });
  expect(await error(post('/v1/vms', body))).toBe(
    "413 body-too-large: The request's body is larger than 33554432 bytes.",
  );
});

test('an error that nobody expected is logged and hides nothing', async () => {
  agent.vms.list = async () => {
    throw new Error('The disk burns.');
  };
  expect(await error(get('/v1/vms'))).toBe('500 internal: The disk burns.');
  expect(agent.logged).toContain('A request failed.');
});

test('the OpenAPI document is served', async () => {
  expect(await get('/openapi.json')).toMatchObject({ status: 200, body: { openapi: '3.1.0' } });
});
