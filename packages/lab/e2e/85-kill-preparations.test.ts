import { test } from 'vitest';
import { expectUndoneAfterKill, killableUpdate } from './support/killed-agent.ts';

/** Steps before the pause, but for the last one; 40-kill.test.ts has the others. */
const { lab, observer, preparatory } = await killableUpdate();

test.each(preparatory)('an agent killed at step %s undoes the update when it is back', (step) =>
  expectUndoneAfterKill(lab, observer, step),
);
