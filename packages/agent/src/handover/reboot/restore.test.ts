import { expect, test } from 'vitest';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { restoreWaiting } from './restore.ts';

test.each([
  ['runs already', { state: 'running', pid: 1 }, false],
  ['waits in its file', { state: 'stopped', pid: null, saved: true }, true],
  ['was loaded by an agent that was killed before it let it run', { state: 'paused', pid: 1 }, true],
  ['was never saved', { state: 'stopped', pid: null }, false],
])('a VM that %s', async (_, vm, isTakenUp) => {
  const taken: string[] = [];
  const vms = {
    get: async () => vm,
    restoreFrom: async (name: string, file: string) => taken.push(`${name} ${file}`),
  };
  const plan = { store: 'disk', vms: [{ name: 'web', priority: 1 }], target: { qemu: null } };
  const context = { plan, log: () => {} } as unknown as StepContext;
  await restoreWaiting({ vms } as unknown as HandoverDependencies, context);
  expect(taken).toEqual(isTakenUp ? ['web /var/lib/exuvia/saved/web.state'] : []);
});
