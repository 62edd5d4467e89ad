import { expect, test, vi } from 'vitest';
import { memoryFree, storeSpace } from './checks.ts';

// A machine that runs tests has no store: another file system in memory has room and limits as well.
vi.mock('@exuvia/contract', async (original) => {
  const contract = await original<typeof import('@exuvia/contract')>();
  return { ...contract, HOST_PATHS: { ...contract.HOST_PATHS, store: '/dev/shm' } };
});

const MORE_THAN_ANY = 2 ** 60;

test('an update for which the store has no room is refused, and says what is free and what it may need', async () => {
  expect(await storeSpace(MORE_THAN_ANY)).toEqual({
    id: 'store-space',
    subject: 'host',
    verdict: 'fail',
    reason: expect.stringMatching(
      /^[0-9]+ MiB in the store are free; the update may need 1099511627776 MiB\.$/,
    ),
    remedy: 'Destroy VMs that are not needed, or set up a larger store.',
  });
  expect(await storeSpace(1)).toMatchObject({ id: 'store-space', verdict: 'ok' });
});

test('an update for which the host has no memory is refused', async () => {
  expect(await memoryFree(MORE_THAN_ANY)).toMatchObject({ id: 'memory-free', verdict: 'fail' });
  expect(await memoryFree(1)).toMatchObject({ id: 'memory-free', verdict: 'ok' });
});
