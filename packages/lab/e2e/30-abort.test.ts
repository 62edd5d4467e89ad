import { expect, test } from 'vitest';
import { expectUndoneAfterAbort, watchedUpdate } from './support/undone-update.ts';

/** Steps in which VMs stand still, and the last one before; 85-every-step.test.ts has the others. */
const { lab, observer, preparatory, pausing } = await watchedUpdate();

test('a plan prepares, pauses, and jumps last', () => {
  expect(preparatory.length).toBeGreaterThan(5);
  expect(pausing.length).toBeGreaterThan(5);
  expect(pausing.at(-1)).toBe('jump');
});

test.each(pausing)('an update that is aborted at step %s leaves everything as it was', (step) =>
  expectUndoneAfterAbort(lab, observer, step),
);
