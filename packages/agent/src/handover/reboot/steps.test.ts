import { agentConfigSchema } from '@exuvia/contract';
import { expect, test } from 'vitest';
import type { ResetVerdict, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { rebootSteps } from './steps.ts';
import { rebootStore, rebootVerdict } from './store.ts';

let known: ResetVerdict = { outlives: true, reason: 'It was whole.' };
const saved: string[] = [];
/** As far as these tests go. */
const dependencies = (rebootStore?: string) =>
  ({
    config: () => agentConfigSchema.parse({ rebootStore }),
    store: { resets: async () => known },
    vms: { saveInPlace: async (name: string) => saved.push(name) },
  }) as unknown as HandoverDependencies;

test.each([
  [false, undefined],
  [true, 'disk'],
])(
  'a store that outlives restarts: %s, the configuration: %s: VMs wait on disk',
  async (outlives, config) => {
    known = { outlives, reason: 'So it was.' };
    expect(await rebootStore(dependencies(config), '7.2')).toBe('disk');
  },
);

test('a kernel of which nobody knows that it finds the store does not get VMs in it', async () => {
  known = { outlives: true, reason: 'It was whole.' };
  expect(await rebootVerdict(dependencies(), '0.0-none')).toEqual({
    outlives: false,
    reason: 'Kernel 0.0-none is not known to have X86_PMEM_LEGACY, BLK_DEV_PMEM, FS_DAX, EXT4_FS.',
  });
});

test('what the firmware has been asked to do since the plan was made is seen before a VM is stopped', async () => {
  known = { outlives: false, reason: 'The firmware has been asked to clear all memory.' };
  const plan = {
    store: 'dax',
    vms: [{ name: 'web' }],
    target: { kernel: '7.2' },
  } as unknown as StepContext['plan'];
  const step = rebootSteps(dependencies(), plan).find(({ name }) => name === 'save-vms');
  const context = { plan, signal: new AbortController().signal } as unknown as StepContext;
  await expect(step?.run(context)).rejects.toMatchObject({
    code: 'store-not-kept',
    message: 'The VMs cannot wait in the store. The firmware has been asked to clear all memory.',
  });
  expect(saved).toEqual([]);
});
