import { test } from 'vitest';
import {
  expectFinishedAfterKill,
  expectUndoneAfterAbort,
  expectUndoneAfterKill,
  watchedUpdate,
} from './support/undone-update.ts';

/** Every step that 30-abort.test.ts and 40-kill.test.ts leave out. */
const { lab, observer, preparatory, others } = await watchedUpdate();

test.each(preparatory)('an update that is aborted at step %s leaves everything as it was', (step) =>
  expectUndoneAfterAbort(lab, observer, step),
);

test.each([...preparatory, ...others])(
  'an agent killed at step %s undoes the update when it is back',
  (step) => expectUndoneAfterKill(lab, observer, step),
);

test('an agent killed in the new kernel after it finished the update finishes it when it is back', () =>
  expectFinishedAfterKill(lab, observer, 'after'));
