import { setTimeout as sleep } from 'node:timers/promises';
import {
  ExuviaError,
  type Host,
  type Observation,
  type Plan,
  type PlanRequest,
  passes,
  type Report,
  type Update,
} from '@exuvia/contract';
import { planChanges, renderPlanText } from '@exuvia/report';
import { agentClient, askAgent, waitForAgent } from '../host/agent.ts';
import type { LabState } from '../host/state.ts';
import type { Observer } from '../observer/observer.ts';
import type { Progress } from '../support/progress.ts';
import { followToEnd } from './follow.ts';

export interface ObservedUpdate {
  readonly plan: Plan;
  readonly before: Host;
  readonly after: Host;
  readonly update: Update;
  readonly observation: Observation;
  /** The longest time for which the observer itself did not look: gaps shorter than that may be its own. */
  readonly observerPauseMs: number;
  readonly report: Report;
}

const AGENT_LIMIT_MS = 120_000;
const WORK_LIMIT_MS = 120_000;
/** Watched before the update and after it: the guests verify their work on both sides. */
const MARGIN_MS = 2000;

/**
 * Updates the lab host's kernel through its agent while an observer watches the VMs from outside; hands the
 * agent what was seen, and returns its report. A VM that is gone afterwards is part of what was seen, no error.
 *
 * @throws ExuviaError `plan-refused` when a check of the plan fails; nothing is changed then.
 */
export async function observedUpdate(
  state: LabState,
  observer: Observer,
  request: PlanRequest,
  progress: Progress,
): Promise<ObservedUpdate> {
  const client = await agentClient(state);
  try {
    const before = await client.host();
    const plan = await progress.step('update: planning', () => client.makePlan(request));
    if (!passes(plan.checks) || !plan.executable) {
      const reasons = plan.checks.filter(({ verdict }) => verdict === 'fail').map(({ reason }) => reason);
      throw new ExuviaError('plan-refused', `The plan cannot be executed: ${reasons.join(' ')}`, {
        hint: renderPlanText(plan),
      });
    }
    await observer.waitForWork(WORK_LIMIT_MS);
    const { now: from } = await observer.peek();
    await sleep(MARGIN_MS);
    progress.say(`update: ${planChanges(plan).join(', ')} by ${plan.handover}`);
    const started = await client.startUpdate({ plan: plan.id });
    const update = await followToEnd(state, started.id, progress);
    const after = await waitForAgent(state, AGENT_LIMIT_MS);
    await untilTheyWork(observer, progress);
    await sleep(MARGIN_MS);
    const { longestPauseMs, ...observation } = await observer.observation(from);
    progress.say(`observer: its own longest pause was ${longestPauseMs.toFixed(1)} ms`);
    const report = await askAgent(state, (fresh) => fresh.observe(update.id, observation), AGENT_LIMIT_MS);
    return { plan, before, after, update, observation, observerPauseMs: longestPauseMs, report };
  } finally {
    await client.close();
  }
}

/** Every VM that is left has verified work again; what is seen of one that is gone says so. */
async function untilTheyWork(observer: Observer, progress: Progress): Promise<void> {
  try {
    await observer.waitForWork(WORK_LIMIT_MS);
  } catch (error) {
    if (!(error instanceof ExuviaError) || error.code !== 'work-missing') throw error;
    progress.say(`observer: ${error.message}`);
  }
}
