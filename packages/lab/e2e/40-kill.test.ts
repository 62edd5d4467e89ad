import { expect, test } from 'vitest';
import { expectFinishedAfterKill, expectUndoneAfterKill, watchedUpdate } from './support/undone-update.ts';

/** Some of the steps in which VMs stand still; 85-every-step.test.ts has the others. */
const { lab, observer, killed } = await watchedUpdate();

test('the steps are there', () => expect(killed).toHaveLength(3));

test.each(killed)('an agent killed at step %s undoes the update when it is back', (step) =>
  expectUndoneAfterKill(lab, observer, step),
);

test('an agent killed in the new kernel before it finished the update finishes it when it is back', () =>
  expectFinishedAfterKill(lab, observer, 'before'));
