import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fault, PhaseName, Update } from '@exuvia/contract';
import { afterEach, expect, test } from 'vitest';
import { startTestAgent, type TestAgent } from '../testing/agent.ts';
import { ask } from '../testing/ask.ts';
import { FakeHandover } from '../testing/fake-handover.ts';
import { FakeVms, fakeReport, fakeVm } from '../testing/fakes.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { untilState } from '../testing/until.ts';

const STEPS: readonly (readonly [string, PhaseName | null])[] = [
  ['prepare', null],
  ['switch', 'VM save'],
];
const agents: TestAgent[] = [];
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});

/** An agent whose handover stays in the boot; its step `switch` commits, as that of a real one does. */
async function agentWith(
  change: (handover: FakeHandover) => void = () => {},
  folder?: string,
): Promise<TestAgent> {
  const handover = new FakeHandover('module', STEPS);
  handover.deeds.set('run switch', (context) => context.commit());
  change(handover);
  const vms = new FakeVms(fakeVm('web'));
  const agent = await startTestAgent({ handover, vms, ...(folder === undefined ? {} : { folder }) });
  agents.push(agent);
  return agent;
}

const begin = async (agent: TestAgent, fault?: Fault): Promise<Update> =>
  (await ask(agent.socket, 'POST', '/v1/updates', { modules: ['kvm'], fault })).body as Update;

const journal = async (agent: TestAgent) =>
  (await readFile(agent.paths.journal, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { kind: string }).kind);

test('an update that stays in the boot is finished by the same agent', async () => {
  const agent = await agentWith();
  const { id } = await begin(agent);
  expect(await untilState(agent, id, 'completed')).toMatchObject({ reason: null });
  expect(agent.handover.events).toEqual(['run prepare', 'run switch', 'finish']);
  expect(await journal(agent)).toEqual([
    'begin',
    'step-started',
    'step-done',
    'step-started',
    'commit',
    'step-done',
    'closed',
  ]);
  // The next agent reads the same of it.
  await agent.stop();
  agents.splice(0);
  const next = await agentWith(() => {}, agent.folder);
  expect((await ask(next.socket, 'GET', `/v1/updates/${id}`)).body).toMatchObject({ state: 'completed' });
});

test('a VM that stays behind makes it failed, with the report’s reason', async () => {
  const agent = await agentWith((handover) => {
    handover.report = (plan) => fakeReport(plan, { reason: 'VM web runs on in its old QEMU.' });
  });
  const { id } = await begin(agent);
  expect(await untilState(agent, id, 'failed')).toMatchObject({ reason: 'VM web runs on in its old QEMU.' });
});

test('a step that fails although it has committed is undone when nothing has come of it', async () => {
  const agent = await agentWith((handover) => {
    handover.deeds.set('run switch', async (context) => {
      await context.commit();
      throw new Error('No VM could be moved.');
    });
  });
  const { id } = await begin(agent);
  expect(await untilState(agent, id, 'aborted')).toMatchObject({
    reason: 'Step switch failed: No VM could be moved.',
  });
  expect(agent.handover.events).toEqual(['run prepare', 'run switch', 'undo switch', 'undo prepare']);
});

test('an agent that is stopped past the point of no return finishes the update first', async () => {
  const moving = Promise.withResolvers<void>();
  const agent = await agentWith((handover) => {
    handover.deeds.set('run switch', async (context) => {
      await context.commit();
      await moving.promise;
    });
  });
  const { id } = await begin(agent);
  await untilState(agent, id, 'jumping');
  const stopping = agent.stop();
  agents.splice(0);
  moving.resolve();
  await stopping;
  expect(agent.handover.events).toEqual(['run prepare', 'run switch', 'finish']);
  expect((await journal(agent)).at(-1)).toBe('closed');
});

test('an agent that is killed after the commit: the next one goes forward', async () => {
  const killed = Promise.withResolvers<void>();
  const agent = await agentWith((handover) => {
    handover.deeds.set('run switch', async (context) => {
      await context.commit();
      await killed.promise;
    });
  });
  const { id } = await begin(agent);
  await untilState(agent, id, 'jumping');
  while (!(await journal(agent)).includes('commit'));
  const next = await agentWith(() => {}, await copyOf(agent));
  expect(await untilState(next, id, 'completed')).toMatchObject({ reason: null });
  expect(next.handover.events).toEqual(['finish']);
  // The one that stands for the killed one has to end, too.
  killed.resolve();
});

/** A folder as an agent leaves it that was killed: another agent's socket must not be in it. */
async function copyOf(agent: TestAgent): Promise<string> {
  const folder = await temporaryFolder();
  await cp(join(agent.folder, 'state'), join(folder, 'state'), { recursive: true });
  return folder;
}
