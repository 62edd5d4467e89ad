import { afterAll, expect } from 'vitest';
import { otherKernel, waitForAgent } from '../../src/host/agent.ts';
import { labRun } from '../../src/host/ssh.ts';
import type { LabState } from '../../src/host/state.ts';
import type { Observer } from '../../src/observer/observer.ts';
import { expectGuestsLivedOn } from './expect-guests.ts';
import {
  ask,
  endOf,
  type HostSnapshot,
  plannedSteps,
  qemusByVm,
  sharedLab,
  snapshotOf,
  untilAtStep,
  watchedGuests,
} from './lab.ts';

const AGENT_LIMIT_MS = 120_000;

/**
 * The lab, its guests watched, and the steps of an update: those of its pause with the last one before, and the others.
 * Of the first, those that `npm test` kills the agent at: what they do differs most.
 */
export async function watchedUpdate() {
  const lab = await sharedLab();
  const observer = await watchedGuests(lab);
  afterAll(() => observer.stop());
  const steps = await plannedSteps(lab);
  const names = steps.map(({ name }) => name);
  const lastBefore = steps.findIndex(({ phase }) => phase !== null) - 1;
  const [preparatory, pausing] = [names.slice(0, lastBefore), names.slice(lastBefore)];
  const [killed, others] = [pausing.filter(isKilledFirst), pausing.filter((name) => !isKilledFirst(name))];
  return { lab, observer, preparatory, pausing, killed, others };
}

/** The first state is there; all are; nothing but the jump is left. */
const isKilledFirst = (step: string) => ['save-vms', 'commit', 'jump'].includes(step);

/** Aborts an update right before one of its steps and expects that everything is as it was. */
export async function expectUndoneAfterAbort(lab: LabState, observer: Observer, step: string): Promise<void> {
  const before = await snapshotOf(lab);
  const { now: from } = await observer.peek();
  const kernel = await otherKernel(lab);
  const { id } = await ask(lab, (client) =>
    client.startUpdate({ kernel, fault: { step, action: 'hold', when: 'before' } }),
  );
  await untilAtStep(lab, id, step);
  await ask(lab, (client) => client.abort(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'aborted', reason: 'It was aborted on request.' });
  await expectAsBefore(lab, observer, before, from);
}

/** The same kernel, services, mounts and QEMUs, and guests that have lived on since `from`. */
async function expectAsBefore(
  lab: LabState,
  observer: Observer,
  before: HostSnapshot,
  from: number,
): Promise<void> {
  expect(await snapshotOf(lab)).toEqual(before);
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
}

/**
 * Kills the agent at a step of an update and expects that the next one undoes it. What a step has done is there, and
 * the journal does not yet say so: the worst moment of each step. Nobody can die after the jump.
 */
export async function expectUndoneAfterKill(lab: LabState, observer: Observer, step: string): Promise<void> {
  const before = await snapshotOf(lab);
  const { now: from } = await observer.peek();
  const kernel = await otherKernel(lab);
  const when = step === 'jump' ? 'before' : 'after';
  const { id } = await ask(lab, (client) =>
    client.startUpdate({ kernel, fault: { step, action: 'kill', when } }),
  );
  expect((await endOf(lab, id)).state).toBe('aborted');
  await waitForAgent(lab, AGENT_LIMIT_MS);
  // An agent that has died some times is started again later each time, by some seconds.
  await labRun(lab, 'systemctl reset-failed exuvia-agent');
  await expectAsBefore(lab, observer, before, from);
}

/** Kills the agent in the new kernel and expects that the next one finishes the update. */
export async function expectFinishedAfterKill(
  lab: LabState,
  observer: Observer,
  when: 'before' | 'after',
): Promise<void> {
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
}
