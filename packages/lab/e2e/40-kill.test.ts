import { test } from 'vitest';
import { expectFinishedAfterKill, expectUndoneAfterKill, killableUpdate } from './support/killed-agent.ts';

/** Steps in which VMs stand still, and the last one before; 85-kill-preparations.test.ts has the others. */
const { lab, observer, pausing } = await killableUpdate();

test.each(pausing)('an agent killed at step %s undoes the update when it is back', (step) =>
  expectUndoneAfterKill(lab, observer, step),
);

test.each(['before', 'after'] as const)(
  'an agent killed in the new kernel %s it finished the update finishes it when it is back',
  (when) => expectFinishedAfterKill(lab, observer, when),
);
