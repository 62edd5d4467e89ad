import { join } from 'node:path';
import { ExuviaError, type Fault, faultSchema, type HandoverKind } from '@exuvia/contract';
import { readIfExists, removeDurably, writeFileDurably } from '@exuvia/sys';
import {
  closeUpdate,
  createContext,
  createFaultGate,
  type Engine,
  FINISH,
  finishUpdate,
  outcomeOfUndo,
  type ReportStore,
  sentenceOf,
  undoSteps,
} from '../engine/index.ts';
import type { UpdateState } from '../journal/index.ts';
import type { Handover, VmManager } from '../kinds.ts';
import { decideRecovery, type Recovery, startedSteps } from './decide.ts';
import { withPauses } from './pauses.ts';

export interface RecoveryDependencies {
  readonly engine: Engine;
  readonly bootId: string;
  readonly handovers: ReadonlyMap<HandoverKind, Handover>;
  readonly vms: Pick<VmManager, 'resume' | 'setClock'>;
  readonly reports: ReportStore;
  allowFaultInjection(): boolean;
  log(message: string): void;
  kill(): void;
}

/**
 * Does what the journal says has been left to do, at the agent's start.
 *
 * @returns what was done for the newest update; `nothing` when no update was open. One that went back to the old
 *   kernel counts as finished: the host is as an update leaves it.
 * @throws what kept an update from being closed; the next start tries again.
 */
export async function recover(dependencies: RecoveryDependencies): Promise<Recovery['kind']> {
  const { engine, bootId, log } = dependencies;
  let done: Recovery['kind'] = 'nothing';
  for (const state of engine.ledger.list().reverse()) {
    const { kind } = decideRecovery(state, bootId, handoverOf(dependencies, state).staysInBoot);
    if (kind === 'nothing') continue;
    const reset = kind === 'finish' && !(await handoverOf(dependencies, state).arrived(state.plan));
    const recovery = reset ? 'host-died' : kind;
    log(`Update ${state.plan.id} was left ${state.view.state}: ${EXPLANATION[recovery]}`);
    let wentBack = false;
    await engine.exclusively(state.plan.id, async (own) => {
      switch (recovery) {
        case 'undo':
          return await undo(dependencies, state);
        case 'finish':
          return await finish(dependencies, state, (gate) => {
            own.gate = gate;
          });
        case 'host-died':
          wentBack = await salvage(dependencies, state, reset ? HOST_RESET : HOST_DIED);
      }
    });
    done = wentBack ? 'finish' : recovery;
  }
  return done;
}

const HOST_DIED =
  'The host went down before the point of no return; its VMs ended with it, as in any other power failure.';

const HOST_RESET =
  'The machine was reset after the point of no return, or the new kernel did not come up. Saved states are kept, but are not restored by themselves: the memory that belongs to them may have been lost.';

const EXPLANATION = {
  undo: 'the agent ended, the host did not; it is undone.',
  finish: 'it was past its point of no return; the new side is verified.',
  'host-died': 'the host went down, and its VMs with it.',
} as const;

async function undo(dependencies: RecoveryDependencies, state: UpdateState): Promise<void> {
  const { engine, vms } = dependencies;
  const handover = handoverOf(dependencies, state);
  // The agent that has begun it may have been an older one: what its plan does not have has not happened.
  const planned = new Set(state.plan.steps.map(({ name }) => name));
  const known = handover.steps(state.plan).filter(({ name }) => planned.has(name));
  const steps = startedSteps(known, state.begun);
  const last = steps.at(-1)?.name;
  const where = last === undefined ? 'before its first step' : `in step ${last}`;
  const reason = state.view.reason ?? `The agent ended ${where}.`;
  const problems = await undoSteps(
    { context: contextOf(dependencies, state, undefined), steps, ledger: engine.ledger },
    vms,
  );
  await closeUpdate(engine.closing, state.plan.id, outcomeOfUndo(reason, problems));
}

/** @returns true when the host went back to the old kernel, as if there had been no update. */
async function salvage(
  dependencies: RecoveryDependencies,
  state: UpdateState,
  withoutSalvage: string,
): Promise<boolean> {
  const { closing } = dependencies.engine;
  const handover = handoverOf(dependencies, state);
  try {
    const found = await handover.salvage?.(contextOf(dependencies, state, undefined));
    const { reason, report } = found ?? { reason: withoutSalvage };
    await closeUpdate(closing, state.plan.id, {
      outcome: 'failed',
      reason,
      ...(report === undefined ? {} : { report: withPauses(report, state, closing.now()) }),
    });
    return found?.wentBack === true;
  } catch (error) {
    const reason = `${withoutSalvage} What is left could not be taken up: ${sentenceOf(error)}`;
    await closeUpdate(closing, state.plan.id, { outcome: 'failed', reason });
    return false;
  }
}

async function finish(
  dependencies: RecoveryDependencies,
  state: UpdateState,
  watch: (gate: ReturnType<typeof createFaultGate>) => void,
): Promise<void> {
  const fault = await readFault(dependencies, state);
  const context = contextOf(dependencies, state, fault);
  const gate = createFaultGate(fault, {
    signal: context.signal,
    kill: dependencies.kill,
    consume: () => removeDurably(faultFile(dependencies.reports, state.plan.id)),
    say: context.log,
  });
  watch(gate);
  await finishUpdate(dependencies.engine.closing, handoverOf(dependencies, state), context, gate);
}

/** Keeps a fault for the work after the jump, where only files are left of this process. */
export async function keepFault(reports: ReportStore, update: string, fault: Fault): Promise<void> {
  if (fault.step === FINISH) await writeFileDurably(faultFile(reports, update), JSON.stringify(fault));
}

async function readFault(
  { reports, allowFaultInjection }: RecoveryDependencies,
  state: UpdateState,
): Promise<Fault | undefined> {
  if (!allowFaultInjection()) return undefined;
  const text = await readIfExists(faultFile(reports, state.plan.id));
  return text === null ? undefined : faultFrom(text);
}

/** Only for tests of Exuvia itself: a damaged one must not keep an update from being finished. */
function faultFrom(text: string): Fault | undefined {
  try {
    return faultSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function faultFile(reports: ReportStore, update: string): string {
  return join(reports.directory(update), 'fault.json');
}

function contextOf(
  { engine, reports, log }: RecoveryDependencies,
  state: UpdateState,
  fault: Fault | undefined,
) {
  const { plan } = state;
  return createContext({
    plan,
    directory: reports.directory(plan.id),
    fault,
    signal: new AbortController().signal,
    log: (message) => {
      log(`${plan.id}: ${message}`);
      engine.ledger.say(plan.id, message);
    },
  });
}

function handoverOf({ handovers }: RecoveryDependencies, { plan }: UpdateState): Handover {
  const handover = handovers.get(plan.handover);
  if (handover !== undefined) return handover;
  throw new ExuviaError('internal', `There is no handover ${plan.handover}.`);
}
