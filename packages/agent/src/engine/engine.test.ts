import { readFile } from 'node:fs/promises';
import type { Fault, Report, Update } from '@exuvia/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestAgent, type TestAgent } from '../testing/agent.ts';
import { ask } from '../testing/ask.ts';
import { FAKE_STEPS } from '../testing/fake-handover.ts';
import { untilState, untilStep } from '../testing/until.ts';

let agent: TestAgent;
beforeEach(async () => {
  agent = await startTestAgent();
});
afterEach(() => agent.stop());

const NAMES = FAKE_STEPS.map(([name]) => name);
const start = (fault?: Fault) => ask(agent.socket, 'POST', '/v1/updates', { kernel: '7.2', fault });
const begin = async (fault?: Fault): Promise<Update> => {
  const answer = await start(fault);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body as Update;
};
const abort = (id: string) => ask(agent.socket, 'POST', `/v1/updates/${id}/abort`);
const report = async (id: string) =>
  (await ask(agent.socket, 'GET', `/v1/updates/${id}/report`)).body as Report;
const journal = async () =>
  (await readFile(agent.paths.journal, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { kind: string; step?: string; outcome?: string })
    .map(({ kind, step, outcome }) => [kind, step ?? outcome].filter((part) => part !== undefined).join(' '));

test('an update runs its steps in order up to the jump, which does not come back', async () => {
  const { id } = await begin();
  const update = await untilState(agent, id, 'jumping');
  expect(agent.handover.events).toEqual(NAMES.map((name) => `run ${name}`));
  expect(update.steps.map((step) => step.state)).toEqual(['done', 'done', 'done', 'done', 'running']);
  expect((await report(id)).outcome).toBe('running');
});

test('from the first step of the pause on nothing but its beginning is written to the journal', async () => {
  const { id } = await begin();
  await untilState(agent, id, 'jumping');
  expect(await journal()).toEqual([
    'begin',
    'step-started load',
    'step-done load',
    'step-started stop-services',
    'step-done stop-services',
    'step-started save',
  ]);
});

test('there is no abort once the jump has begun', async () => {
  const { id } = await begin();
  await untilState(agent, id, 'jumping');
  expect(await abort(id)).toMatchObject({
    status: 409,
    body: {
      error: {
        code: 'update-jumping',
        message: `Update ${id} is jumping: it is past its point of no return.`,
      },
    },
  });
});

const beforeAndAfter = NAMES.flatMap((name) =>
  (name === 'jump' ? (['before'] as const) : (['before', 'after'] as const)).map(
    (when) => [when, name] as const,
  ),
);

test.each(beforeAndAfter)(
  'an abort %s step %s undoes what had begun, in reverse, and resumes the VMs',
  async (when, name) => {
    const { id } = await begin({ step: name, action: 'hold', when });
    await untilStep(agent, id, `Held ${when} step ${name}.`);
    agent.vms.pause('web');
    expect((await abort(id)).status).toBe(200);
    const update = await untilState(agent, id, 'aborted');
    expect(update.reason).toBe('It was aborted on request.');

    const begun = NAMES.slice(0, NAMES.indexOf(name) + 1);
    const undone = agent.handover.events.filter((event) => event.startsWith('undo'));
    expect(undone).toEqual(begun.toReversed().map((step) => `undo ${step}`));
    expect(agent.vms.events).toEqual(['resume web']);
    expect(agent.vms.table.get('web')?.state).toBe('running');
    expect(update.steps.map((step) => step.state)).toEqual(
      NAMES.map((step) => (begun.includes(step) ? 'undone' : 'pending')),
    );
    const paused = FAKE_STEPS.some(([step, phase]) => phase !== null && begun.includes(step));
    expect(agent.vms.clocksSet).toEqual(paused ? ['web'] : []);
    expect(await report(id)).toMatchObject({
      outcome: 'aborted',
      reason: 'It was aborted on request.',
      phases: [],
      vms: [{ name: 'web', outcome: paused ? 'running' : 'untouched' }],
    });
    const lines = await journal();
    expect(lines[0]).toBe('begin');
    expect(lines).toContain('abort-requested');
    expect(lines.at(-1)).toBe('closed aborted');
  },
);

test.each(beforeAndAfter)(
  'a failure %s step %s is undone like an abort, and names the step',
  async (when, name) => {
    const { id } = await begin({ step: name, action: 'fail', when });
    const update = await untilState(agent, id, 'aborted');
    expect(update.reason).toBe(`Step ${name} failed: A fault was injected ${when} step ${name}.`);
    const begun = NAMES.slice(0, NAMES.indexOf(name) + 1);
    expect(agent.handover.events.filter((event) => event.startsWith('undo'))).toEqual(
      begun.toReversed().map((step) => `undo ${step}`),
    );
    expect(update.steps.find((step) => step.name === name)?.state).toBe('failed');
    expect(await journal()).toContain(`step-failed ${name}`);
  },
);

test('a held update goes on when it is told to', async () => {
  const { id } = await begin({ step: 'load', action: 'hold', when: 'after' });
  await untilStep(agent, id, 'Held after step load.');
  expect((await ask(agent.socket, 'POST', `/v1/updates/${id}/continue`)).status).toBe(200);
  await untilState(agent, id, 'jumping');
  expect(await ask(agent.socket, 'POST', `/v1/updates/${id}/continue`)).toMatchObject({
    status: 409,
    body: { error: { code: 'update-not-held', message: `Update ${id} is not held by a fault.` } },
  });
});

test('a second update is refused while one is under way', async () => {
  const { id } = await begin({ step: 'load', action: 'hold', when: 'before' });
  expect(await start()).toEqual({
    status: 409,
    headers: expect.anything(),
    body: {
      error: {
        code: 'update-running',
        message: `Update ${id} is running.`,
        hint: 'Wait for it, or abort it: `exuvia abort`.',
      },
    },
  });
});

test('VMs and host cannot be changed while an update is under way', async () => {
  const { id } = await begin({ step: 'load', action: 'hold', when: 'before' });
  for (const [method, path, body] of [
    ['POST', '/v1/vms/web/stop', {}],
    ['POST', '/v1/vms/db/start', undefined],
    ['DELETE', '/v1/vms/web', undefined],
    ['DELETE', '/v1/setup', undefined],
  ] as const) {
    expect(await ask(agent.socket, method, path, body)).toMatchObject({
      status: 409,
      body: { error: { code: 'update-running', message: `Update ${id} is running.` } },
    });
  }
  expect(agent.vms.events).toEqual([]);
});

test('a step that cannot be undone does not keep the others and the VMs from coming back', async () => {
  agent.handover.deeds.set('run quit', () => {
    throw new Error('QEMU does not end.');
  });
  agent.handover.deeds.set('undo save', () => {
    throw new Error('No answer.');
  });
  const { id } = await begin();
  const update = await untilState(agent, id, 'failed');
  expect(agent.handover.events.slice(-4)).toEqual([
    'undo quit',
    'undo save',
    'undo stop-services',
    'undo load',
  ]);
  expect(agent.vms.events).toEqual(['resume web']);
  expect(update.reason).toBe(
    'Step quit failed: QEMU does not end. What could not be undone: Undoing step save failed: No answer.',
  );
});

test('a VM that cannot be resumed makes the update a failed one', async () => {
  agent.vms.unresumable.add('web');
  const { id } = await begin({ step: 'save', action: 'fail', when: 'after' });
  const update = await untilState(agent, id, 'failed');
  expect(update.reason).toContain('VM web could not be resumed: web does not answer.');
});

test('a jump that comes back is undone', async () => {
  agent.handover.deeds.set('run jump', () => {});
  const { id } = await begin();
  const update = await untilState(agent, id, 'aborted');
  expect(update.reason).toBe('The last step came back: the host is still on its old side.');
  expect(agent.handover.events.at(-5)).toBe('undo jump');
});

test('what a step remembers is there when it is undone', async () => {
  let recalled: unknown;
  agent.handover.deeds.set('run load', async (context) => {
    expect(await context.recall('loaded')).toBeUndefined();
    await context.remember('loaded', { image: '/boot/x' });
    throw new Error('Enough.');
  });
  agent.handover.deeds.set('undo load', async (context) => {
    recalled = await context.recall('loaded');
  });
  const { id } = await begin();
  await untilState(agent, id, 'aborted');
  expect(recalled).toEqual({ image: '/boot/x' });
});

test('an agent that is stopped during an update undoes it first', async () => {
  const { id } = await begin({ step: 'save', action: 'hold', when: 'after' });
  await untilStep(agent, id, 'Held after step save.');
  await agent.stop();
  expect(agent.handover.events.slice(-3)).toEqual(['undo save', 'undo stop-services', 'undo load']);
  expect((await journal()).at(-1)).toBe('closed aborted');
});

test('whoever follows an update that ends with the agent is told how', async () => {
  const { id } = await begin({ step: 'save', action: 'hold', when: 'after' });
  await untilStep(agent, id, 'Held after step save.');
  const ended = untilState(agent, id, 'aborted');
  await Promise.all([ended, agent.stop()]);
});

test('an agent that is stopped during the jump leaves it alone', async () => {
  const { id } = await begin();
  await untilState(agent, id, 'jumping');
  await agent.stop();
  expect(agent.handover.events.filter((event) => event.startsWith('undo'))).toEqual([]);
  expect((await journal()).at(-1)).toBe('step-started save');
});

test('a fault at a step that does not exist is refused', async () => {
  expect(await start({ step: 'dance', action: 'fail', when: 'before' })).toMatchObject({
    status: 400,
    body: {
      error: {
        code: 'fault-step-unknown',
        message:
          'There is no step dance. The steps: load, stop-services, save, quit, jump, early-restore, finish.',
      },
    },
  });
  expect(agent.handover.events).toEqual([]);
});

test('faults are refused by an agent that is not configured for tests', async () => {
  await agent.stop();
  agent = await startTestAgent({ config: { allowFaultInjection: false } });
  expect(await start({ step: 'load', action: 'kill', when: 'before' })).toMatchObject({
    status: 403,
    body: { error: { code: 'fault-injection-disabled', message: 'This agent does not inject faults.' } },
  });
});
