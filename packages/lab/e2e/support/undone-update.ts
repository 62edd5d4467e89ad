import type { PlanRequest } from '@exuvia/contract';
import { afterAll, expect } from 'vitest';
import { otherKernel, waitForAgent } from '../../src/host/agent.ts';
import { labRun } from '../../src/host/ssh.ts';
import type { LabState } from '../../src/host/state.ts';
import type { Observer } from '../../src/observer/observer.ts';
import { expectAllLivedOn } from './expect-guests.ts';
import {
  ask,
  type Change,
  endOf,
  type HostSnapshot,
  plannedSteps,
  sharedLab,
  snapshotOf,
  toOtherKernel,
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

interface Undone {
  /** What the update is asked for; absent: the other kernel. */
  readonly change?: Change;
  /** Its steps end QEMUs: the VMs are in new ones afterwards. */
  readonly endsQemus?: boolean;
}

/** Aborts an update right before one of its steps and expects that everything is as it was. */
export async function expectUndoneAfterAbort(
  lab: LabState,
  observer: Observer,
  step: string,
  undone: Undone = {},
): Promise<void> {
  const start = await startPoint(lab, observer, undone);
  const { id } = await ask(lab, (client) =>
    client.startUpdate({ ...start.request, fault: { step, action: 'hold', when: 'before' } }),
  );
  await untilAtStep(lab, id, step);
  await ask(lab, (client) => client.abort(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'aborted', reason: 'It was aborted on request.' });
  await expectAsBefore(lab, observer, start);
}

interface StartPoint {
  readonly request: PlanRequest;
  readonly before: HostSnapshot;
  readonly from: number;
  readonly endsQemus: boolean;
}

async function startPoint(
  lab: LabState,
  observer: Observer,
  { change = toOtherKernel, endsQemus = false }: Undone,
): Promise<StartPoint> {
  const before = await snapshotOf(lab);
  const { now: from } = await observer.peek();
  return { request: await change(lab), before, from, endsQemus };
}

/** The same kernel, services, mounts and QEMUs, and guests that have lived on. */
async function expectAsBefore(
  lab: LabState,
  observer: Observer,
  { before, from, endsQemus }: StartPoint,
): Promise<void> {
  const comparable = endsQemus ? withoutPids : (snapshot: HostSnapshot) => snapshot;
  expect(comparable(await snapshotOf(lab))).toEqual(comparable(before));
  await expectAllLivedOn(lab, observer, from);
}

function withoutPids(snapshot: HostSnapshot): HostSnapshot {
  return { ...snapshot, qemus: snapshot.qemus.map((line) => line.replace(/^\d+ /, '')).sort() };
}

/**
 * Kills the agent at a step of an update and expects that the next one undoes it. What a step has done is there, and
 * the journal does not yet say so: the worst moment of each step. Nobody can die after the jump.
 */
export async function expectUndoneAfterKill(
  lab: LabState,
  observer: Observer,
  step: string,
  undone: Undone = {},
): Promise<void> {
  const start = await startPoint(lab, observer, undone);
  const when = step === 'jump' ? 'before' : 'after';
  const { id } = await ask(lab, (client) =>
    client.startUpdate({ ...start.request, fault: { step, action: 'kill', when } }),
  );
  expect((await endOf(lab, id)).state).toBe('aborted');
  await waitForAgent(lab, AGENT_LIMIT_MS);
  // An agent that has died some times is started again later each time, by some seconds.
  await labRun(lab, 'systemctl reset-failed exuvia-agent');
  await expectAsBefore(lab, observer, start);
}

/** Kills the agent in the new kernel and expects that the next one finishes the update. */
export async function expectFinishedAfterKill(
  lab: LabState,
  observer: Observer,
  when: 'before' | 'after',
  change: Change = toOtherKernel,
): Promise<void> {
  const { now: from } = await observer.peek();
  const kernel = await otherKernel(lab);
  const request = await change(lab);
  const { id } = await ask(lab, (client) =>
    client.startUpdate({ ...request, fault: { step: 'finish', action: 'kill', when } }),
  );
  expect(await endOf(lab, id)).toMatchObject({ state: 'completed', to: kernel });
  const host = await waitForAgent(lab, AGENT_LIMIT_MS);
  expect(host.kernel).toBe(kernel);
  await expectAllLivedOn(lab, observer, from);
}
