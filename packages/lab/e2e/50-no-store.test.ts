import { expect, test } from 'vitest';
import { guestSpec } from '../src/guests/specs.ts';
import { ask, freshLab, snapshotOf } from './support/lab.ts';

const lab = await freshLab({ withStore: false });

test('a host without a store refuses updates by kexec, and says what to do', async () => {
  const before = await snapshotOf(lab);
  await expect(
    ask(lab, (client) => client.startUpdate({ kernel: lab.kernels.new, handover: 'kexec' })),
  ).rejects.toMatchObject({
    code: 'plan-not-executable',
    message: expect.stringMatching(/store/),
    hint: expect.stringMatching(/exuvia setup --memory/),
  });
  expect(await snapshotOf(lab)).toEqual(before);
});

test('a host without a store starts no VM', async () => {
  const before = await snapshotOf(lab);
  const spec = guestSpec('tiny', { busyMemory: '512M' });
  await ask(lab, (client) => client.createVm(spec));
  await expect(ask(lab, (client) => client.startVm('tiny'))).rejects.toMatchObject({
    code: 'store-missing',
    message: 'This host has no store for the memory of VMs.',
  });
  await ask(lab, (client) => client.destroyVm('tiny'));
  expect(await snapshotOf(lab)).toEqual(before);
});
