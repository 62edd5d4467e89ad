import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitForAgent } from '../src/host/agent.ts';
import type { Observer } from '../src/observer/observer.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import {
  ask,
  endOf,
  otherKernel,
  plannedSteps,
  qemusByVm,
  sharedLab,
  snapshotOf,
  watchedGuests,
} from './support/lab.ts';

const lab = await sharedLab();
const guests = await watchedGuests(lab);
const steps = await plannedSteps(lab);
const AGENT_LIMIT_MS = 120_000;
let observer: Observer;

beforeAll(() => {
  observer = guests;
});
afterAll(() => observer.stop());

// What a step has done is there, and the journal does not yet say so: the worst moment of each step.
const beforeTheJump = steps.map((step) => [step, step === 'jump' ? 'before' : 'after'] as const);

test.each(beforeTheJump)(
  'an agent killed at step %s (%s it) undoes the update when it is back',
  async (step, when) => {
    const before = await snapshotOf(lab);
    const { now: from } = await observer.peek();
    const kernel = await otherKernel(lab);
    const { id } = await ask(lab, (client) =>
      client.startUpdate({ kernel, fault: { step, action: 'kill', when } }),
    );
    expect((await endOf(lab, id)).state).toBe('aborted');
    await waitForAgent(lab, AGENT_LIMIT_MS);
    expect(await snapshotOf(lab)).toEqual(before);
    expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
    await expectGuestsLivedOn(observer, from);
  },
);

test.each(['before', 'after'] as const)(
  'an agent killed in the new kernel %s it finished the update finishes it when it is back',
  async (when) => {
    const { now: from } = await observer.peek();
    const kernel = await otherKernel(lab);
    const { id } = await ask(lab, (client) =>
      client.startUpdate({ kernel, fault: { step: 'finish', action: 'kill', when } }),
    );
    expect(await endOf(lab, id)).toMatchObject({ state: 'completed', to: kernel });
    const host = await waitForAgent(lab, AGENT_LIMIT_MS);
    expect(host.kernel).toBe(kernel);
    expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
    await expectGuestsLivedOn(observer, from);
  },
);
