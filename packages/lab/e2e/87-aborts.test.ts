import { afterAll, describe, test } from 'vitest';
import { newQemuOf } from '../src/image/qemus.ts';
import { type Change, plannedSteps, sharedLab, watchedGuests } from './support/lab.ts';
import { expectUndoneAfterAbort } from './support/undone-update.ts';

/** Aborts before every step of the handovers that stay in the boot; 70-vmm.test.ts kills the agent and QEMUs in them. */
const lab = await sharedLab();
const observer = await watchedGuests(lab);
afterAll(() => observer.stop());

const toNewQemu: Change = async () => ({ qemu: newQemuOf(lab) });
const reloaded: Change = async () => ({ modules: ['kvm'] });
const handovers = await Promise.all(
  [
    { kind: 'vmm', change: toNewQemu, endsQemus: false },
    { kind: 'module', change: reloaded, endsQemus: true },
  ].map(async (one) => ({ ...one, steps: await plannedSteps(lab, one.change) })),
);

describe.each(handovers)('$kind', ({ steps, change, endsQemus }) => {
  test.each(steps.map(({ name }) => name))(
    'an update that is aborted at step %s leaves everything as it was',
    (step) => expectUndoneAfterAbort(lab, observer, step, { change, endsQemus }),
  );
});
