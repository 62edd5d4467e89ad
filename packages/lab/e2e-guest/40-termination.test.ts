import { beforeAll, expect, test } from 'vitest';
import { type Bed, testBed } from './support/bed.ts';
import { exuvia, said, told } from './support/exuvia.ts';
import { useGuest } from './support/guests.ts';
import { patchFile } from './support/patches.ts';
import { usePatching } from './support/patching.ts';

const guest = useGuest({ kernel: '6.12', cpus: 2 });
const patching = usePatching(guest);
let bed: Bed;
beforeAll(async () => {
  bed = await testBed();
});

/** Starts a thread that sleeps in pause(2) and waits until it does. */
async function sleeper(): Promise<string> {
  await guest().output(
    'sleeper > /tmp/sleeper & while [ "$(cat /proc/$!/wchan)" = 0 ]; do usleep 1000; done',
  );
  return guest().output('pidof sleeper');
}

test('a patch is not complete before the last thread has left the old function', async () => {
  const pid = await sleeper();
  const file = await patchFile(bed, '6.12', 'pause');
  const waited = await exuvia(guest(), [
    'patch',
    'apply',
    file,
    '--wait',
    '--timeout',
    '3',
    ...patching.options,
  ]);
  expect(waited.exitCode).toBe(1);
  expect(`${waited.stdout}${waited.stderr}`).toContain(`sleeper (${pid}) in __x64_sys_pause`);
  expect(await patching.list()).toMatchObject([
    {
      state: 'transitioning',
      waitingFor: [{ pid: Number(pid), comm: 'sleeper', inside: '__x64_sys_pause' }],
    },
  ]);
  // Whoever calls it now gets the new function, at once.
  expect(await guest().output('sleeper; true')).toBe('left');
  await guest().output(`kill -USR1 ${pid}; while kill -0 ${pid} 2> /dev/null; do usleep 1000; done`);
  expect(await guest().output('cat /tmp/sleeper')).toBe('left');
  expect(await told(guest(), 'patch', 'reconcile', ...patching.options)).toMatchObject({
    patches: [{ state: 'complete', waitingFor: [] }],
  });
  await patching.rollback((await patching.list())[0]?.id ?? '');
});

test('a rollback waits, too: code that a thread is in stays where it is', async () => {
  const file = await patchFile(bed, '6.12', 'sleep');
  const id = await patching.apply(file);
  const pid = await sleeper();
  const waited = await exuvia(guest(), [
    'patch',
    'rollback',
    id,
    '--wait',
    '--timeout',
    '3',
    ...patching.options,
  ]);
  expect(waited.exitCode).toBe(1);
  expect(await patching.list()).toMatchObject([
    { id, state: 'retiring', waitingFor: [{ pid: Number(pid) }] },
  ]);
  await guest().output(`kill -USR1 ${pid}; while kill -0 ${pid} 2> /dev/null; do usleep 1000; done`);
  await said(guest(), 'patch', 'reconcile', ...patching.options);
  expect(await patching.list()).toEqual([]);
});
