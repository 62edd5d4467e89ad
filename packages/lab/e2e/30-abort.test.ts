import { afterAll, expect, test } from 'vitest';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import {
  ask,
  endOf,
  otherKernel,
  plannedSteps,
  qemusByVm,
  sharedLab,
  snapshotOf,
  untilAtStep,
  watchedGuests,
} from './support/lab.ts';

const lab = await sharedLab();
const observer = await watchedGuests(lab);
const steps = (await plannedSteps(lab)).map(({ name }) => name);
afterAll(() => observer.stop());

test('a plan has steps, and the last one jumps', () => {
  expect(steps.length).toBeGreaterThan(5);
  expect(steps.at(-1)).toBe('jump');
});

test.each(steps)('an update that is aborted at step %s leaves everything as it was', async (step) => {
  const before = await snapshotOf(lab);
  const { now: from } = await observer.peek();
  const kernel = await otherKernel(lab);
  const { id } = await ask(lab, (client) =>
    client.startUpdate({ kernel, fault: { step, action: 'hold', when: 'before' } }),
  );
  await untilAtStep(lab, id, step);
  await ask(lab, (client) => client.abort(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'aborted', reason: 'It was aborted on request.' });
  expect(await snapshotOf(lab)).toEqual(before);
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
});
