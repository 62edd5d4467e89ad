import { afterAll, beforeAll, test } from 'vitest';
import type { Observer } from '../src/observer/observer.ts';
import { expectUndoneAfterKill } from './support/killed-agent.ts';
import { plannedSteps, sharedLab, watchedGuests } from './support/lab.ts';

/** Steps before the pause, but for the last one; 40-kill.test.ts has the others. */
const lab = await sharedLab();
const guests = await watchedGuests(lab);
const steps = await plannedSteps(lab);
const firstOfPause = steps.findIndex(({ phase }) => phase !== null);
let observer: Observer;

beforeAll(() => {
  observer = guests;
});
afterAll(() => observer.stop());

test.each(steps.slice(0, firstOfPause - 1).map(({ name }) => name))(
  'an agent killed at step %s undoes the update when it is back',
  (step) => expectUndoneAfterKill(lab, observer, step),
);
