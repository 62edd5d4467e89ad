import { afterAll, beforeAll, test } from 'vitest';
import type { Observer } from '../src/observer/observer.ts';
import { expectFinishedAfterKill, expectUndoneAfterKill } from './support/killed-agent.ts';
import { plannedSteps, sharedLab, watchedGuests } from './support/lab.ts';

/** Steps in which VMs stand still, and the last one before; 85-kill-preparations.test.ts has the others. */
const lab = await sharedLab();
const guests = await watchedGuests(lab);
const steps = await plannedSteps(lab);
const firstOfPause = steps.findIndex(({ phase }) => phase !== null);
let observer: Observer;

beforeAll(() => {
  observer = guests;
});
afterAll(() => observer.stop());

test.each(steps.slice(firstOfPause - 1).map(({ name }) => name))(
  'an agent killed at step %s undoes the update when it is back',
  (step) => expectUndoneAfterKill(lab, observer, step),
);

test.each(['before', 'after'] as const)(
  'an agent killed in the new kernel %s it finished the update finishes it when it is back',
  (when) => expectFinishedAfterKill(lab, observer, when),
);
