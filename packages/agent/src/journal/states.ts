import {
  ExuviaError,
  type JournalRecord,
  type Plan,
  type PlanStep,
  staysInBoot,
  type Update,
} from '@exuvia/contract';
import { transition } from './machine.ts';

/** What the journal says of one update. Immutable; {@link applyRecord} makes the next one. */
export interface UpdateState {
  readonly plan: Plan;
  /** Boot id of the old side: another one now means that the host has rebooted or jumped. */
  readonly bootId: string;
  /** The commit record is there: every VM is saved. */
  readonly committed: boolean;
  /** When each step began, by name. */
  readonly begun: Readonly<Record<string, string>>;
  /** What the API shows. */
  readonly view: Update;
}

type StepView = Update['steps'][number];

/**
 * What every update in the journal is in, in the order in which they began.
 *
 * @throws ExuviaError `journal-invalid` (without file and line), or {@link IllegalTransition}, when the
 * records contradict each other.
 */
export function updateStates(records: readonly JournalRecord[]): Map<string, UpdateState> {
  const states = new Map<string, UpdateState>();
  for (const record of records) states.set(record.update, applyRecord(states.get(record.update), record));
  return states;
}

/** The state of an update after one more record. Pure. */
export function applyRecord(state: UpdateState | undefined, record: JournalRecord): UpdateState {
  if (record.kind === 'begin') {
    if (state !== undefined) throw contradiction(`update ${record.update} begins twice`);
    return begin(record.plan, record.at, record.bootId);
  }
  if (state === undefined) throw contradiction(`update ${record.update} has a record but no beginning`);
  switch (record.kind) {
    case 'step-started':
      return startStep(state, record.step, record.at);
    case 'step-done':
      return withStep(state, record.step, (step) => ({
        ...step,
        state: 'done',
        ms: elapsedMs(state, record.step, record.at),
      }));
    case 'step-failed':
      return withView(
        withStep(state, record.step, (step) => ({
          ...step,
          state: 'failed',
          ms: elapsedMs(state, record.step, record.at),
        })),
        { reason: record.error },
      );
    case 'abort-requested':
      return withView(state, { reason: 'It was aborted on request.' });
    case 'undo-started':
      return withView(state, { state: transition(state.view.state, 'undo') });
    case 'undo-done':
      return withStep(state, record.step, (step) =>
        step.state === 'failed' ? step : { ...step, state: 'undone' },
      );
    case 'commit':
      return { ...enterJump(state), committed: true };
    case 'closed':
      return close(state, record);
  }
}

/** A state that is being verified by the agent of the new side; said in memory, the journal has no record of it. */
export function verifying(state: UpdateState): UpdateState {
  return withView(state, { state: transition(state.view.state, 'verify') });
}

function begin(plan: Plan, at: string, bootId: string): UpdateState {
  return {
    plan,
    bootId,
    committed: false,
    begun: {},
    view: {
      id: plan.id,
      state: 'preparing',
      handover: plan.handover,
      ...fromAndTo(plan),
      startedAt: at,
      finishedAt: null,
      reason: null,
      steps: plan.steps.map((step) => ({ ...step, state: 'pending', ms: null })),
    },
  };
}

/** What is replaced by what; of an update that leaves the kernel alone not its release. */
function fromAndTo({ handover, host, target, vms }: Plan): Pick<Update, 'from' | 'to'> {
  if (handover === 'vmm') {
    const versions = [...new Set(vms.map(({ qemu }) => qemu ?? 'unknown'))];
    return { from: `QEMU ${versions.join(', ')}`, to: `QEMU ${target.qemu?.version ?? 'unknown'}` };
  }
  if (handover === 'module') {
    const modules = target.modules.join(', ');
    return { from: modules, to: `${modules} loaded anew` };
  }
  return { from: host.kernel, to: target.kernel };
}

function startStep(state: UpdateState, name: string, at: string): UpdateState {
  const running = withStep(state, name, (step) => ({ ...step, state: 'running', ms: null }));
  const started = { ...running, begun: { ...state.begun, [name]: at } };
  const isLast = state.plan.steps.at(-1)?.name === name;
  return isLast ? enterJump(started) : enterPause(started, planStep(state, name));
}

function enterPause(state: UpdateState, step: PlanStep | undefined): UpdateState {
  if (step?.phase == null || state.view.state !== 'preparing') return state;
  return withView(state, { state: transition(state.view.state, 'pause') });
}

/** The commit record of the native program may come before or after the buffered records of the agent. */
function enterJump(state: UpdateState): UpdateState {
  if (state.view.state === 'jumping' || state.view.state === 'undoing') return state;
  return withView(state, { state: transition(state.view.state, 'jump') });
}

function close(state: UpdateState, record: Extract<JournalRecord, { kind: 'closed' }>): UpdateState {
  // In a handover that stays in the boot the commit record is all that tells.
  const forward = staysInBoot(state.plan.handover) && state.committed;
  const passed = record.bootId !== state.bootId || (forward && record.outcome !== 'aborted');
  const jumped = state.view.state === 'jumping' && passed;
  const before = jumped ? verifying(state) : state;
  const by = { completed: 'complete', aborted: 'abort', failed: 'fail' } as const;
  const closed = withView(before, {
    state: transition(before.view.state, by[record.outcome]),
    finishedAt: record.at,
    reason: record.reason ?? (record.outcome === 'completed' ? null : state.view.reason),
  });
  // The records of the steps inside the pause are kept in memory and go down with the old kernel.
  return record.outcome === 'completed' ? withAllStepsDone(closed) : closed;
}

function elapsedMs(state: UpdateState, step: string, at: string): number | null {
  const begun = state.begun[step];
  return begun === undefined ? null : Math.max(0, Date.parse(at) - Date.parse(begun));
}

function withAllStepsDone(state: UpdateState): UpdateState {
  const steps = state.view.steps.map(
    (step): StepView => (step.state === 'done' ? step : { ...step, state: 'done', ms: null }),
  );
  return withView(state, { steps });
}

function planStep(state: UpdateState, name: string): PlanStep | undefined {
  return state.plan.steps.find((step) => step.name === name);
}

function withView(state: UpdateState, change: Partial<Update>): UpdateState {
  return { ...state, view: { ...state.view, ...change } };
}

function withStep(state: UpdateState, name: string, change: (step: StepView) => StepView): UpdateState {
  if (planStep(state, name) === undefined) {
    throw contradiction(`update ${state.plan.id} has a record of step ${name}, which its plan does not have`);
  }
  return withView(state, {
    steps: state.view.steps.map((step) => (step.name === name ? change(step) : step)),
  });
}

function contradiction(problem: string): ExuviaError {
  return new ExuviaError('journal-invalid', `${problem}.`);
}
