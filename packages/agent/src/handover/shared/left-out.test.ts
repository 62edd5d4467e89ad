import type { Plan } from '@exuvia/contract';
import { expect, test } from 'vitest';
import type { StepContext } from '../../kinds.ts';
import { FakeHandover } from '../../testing/fake-handover.ts';
import { FakeVms, fakeVm } from '../../testing/fakes.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { shutDownVms, withLeftOut } from './left-out.ts';

const leftOut: Plan['leftOut'] = ['web', 'db'].map((name) => ({
  name,
  action: 'shutdown',
  reason: 'It cannot be saved.',
}));

function host() {
  const table = new FakeVms(fakeVm('web'), fakeVm('db'));
  const memory = new Map<string, unknown>();
  const context = {
    plan: { leftOut } as unknown as Plan,
    log: () => {},
    remember: async (key: string, value: unknown) => void memory.set(key, value),
    recall: async (key: string) => memory.get(key),
  } as unknown as StepContext;
  const dependencies = { vms: table } as unknown as HandoverDependencies;
  return { table, context, dependencies, step: shutDownVms(dependencies, { leftOut })[0] };
}

const states = ({ table }: ReturnType<typeof host>) => [...table.table.values()].map(({ state }) => state);

test('VMs that were shut down run again after an undo, and a second one leaves them alone', async () => {
  const one = host();
  await one.step?.run(one.context);
  expect(states(one)).toEqual(['stopped', 'stopped']);
  await one.step?.undo?.(one.context);
  expect(states(one)).toEqual(['running', 'running']);
  const { length } = one.table.events;
  await one.step?.undo?.(one.context);
  expect(one.table.events).toHaveLength(length);
});

test('an undo of a step that had not begun touches no VM', async () => {
  const one = host();
  await one.step?.undo?.(one.context);
  expect(one.table.events).toEqual([]);
});

test('a guest that is still on its way down when its agent is killed is down before it is started again', async () => {
  const one = host();
  const { stop } = one.table;
  one.table.stop = async () => {
    throw new Error('The agent was killed.');
  };
  await expect(one.step?.run(one.context)).rejects.toThrow('killed');
  one.table.stop = stop;
  await one.step?.undo?.(one.context);
  expect(one.table.events.sort()).toEqual(['start db', 'start web', 'stop db 120000', 'stop web 120000']);
});

test('they are started again even if the rest of the update cannot be finished', async () => {
  const one = host();
  await one.step?.run(one.context);
  const handover = new FakeHandover('module');
  handover.deeds.set('finish', () => {
    throw new Error('The disk is full.');
  });
  const { kind, checks, planVms, planStore, steps, staysInBoot, arrived, finish } = handover;
  const bound = {
    kind,
    checks,
    planVms,
    planStore,
    steps,
    staysInBoot,
    arrived,
    finish: finish.bind(handover),
  };
  await expect(withLeftOut(bound, one.dependencies).finish(one.context)).rejects.toThrow('full');
  expect(states(one)).toEqual(['running', 'running']);
});
