import {
  ExuviaError,
  type Fault,
  type HandoverKind,
  type Host,
  type Plan,
  staysInBoot,
  type Update,
} from '@exuvia/contract';
import { isEnded, type Journal, type UpdateState } from '../journal/index.ts';
import type { Handover, VmManager } from '../kinds.ts';
import { type Closing, closeUpdate } from './closing.ts';
import { createContext } from './context.ts';
import { createFaultGate, type FaultGate } from './faults.ts';
import { finishUpdate } from './finishing.ts';
import { createLedger, type Ledger } from './ledger.ts';
import type { ReportStore } from './reports.ts';
import { jumpReturned, runSteps, sentenceOf, undoSteps } from './transaction.ts';

export interface EngineDependencies {
  readonly journal: Journal;
  readonly bootId: string;
  readonly handovers: ReadonlyMap<HandoverKind, Handover>;
  readonly vms: Pick<VmManager, 'resume' | 'setClock' | 'list'>;
  readonly reports: ReportStore;
  readonly now: () => Date;
  host(): Promise<Host>;
  log(message: string): void;
  /** Ends this process at once, as SIGKILL does (fault injection). */
  kill(): void;
}

/** Executes updates, one at a time. */
export interface Engine {
  readonly ledger: Ledger;
  readonly closing: Closing;
  /** The update that is under way, if any; a recovery counts as one. */
  readonly current: string | null;
  /** Returns once the update is in the journal; it goes on by itself. Throws `update-running`, `plan-used`. */
  begin(plan: Plan, fault?: Fault): Promise<Update>;
  /** Throws `update-unknown`, `update-ended`, `update-jumping`. */
  abort(update: string): Promise<Update>;
  /** Lets an update that a fault holds go on. Throws `update-unknown`, `update-not-held`. */
  continue(update: string): Update;
  /** Does work that no update may run beside. Throws `update-running`. */
  exclusively<Result>(update: string, work: (own: Own) => Promise<Result>): Promise<Result>;
  /** Returns when nothing is under way any more. Never throws. */
  idle(): Promise<void>;
  /** For the agent's end: aborts what can still be aborted and waits for it; a jump is left to happen. Nothing begins after. */
  stop(): Promise<void>;
}

/** What belongs to the one update that is under way. */
interface Own {
  readonly controller: AbortController;
  gate: FaultGate | null;
}

export function createEngine(dependencies: EngineDependencies): Engine {
  const { journal, bootId, handovers, vms, reports, now, host, log } = dependencies;
  const ledger = createLedger(journal, bootId, now);
  const closing: Closing = { ledger, reports, now, host, log, vms: () => vms.list() };
  let current: { readonly update: string; readonly own: Own; done: Promise<unknown> } | null = null;

  let stopped = false;

  const exclusively: Engine['exclusively'] = (update, work) => {
    if (stopped) throw agentStops();
    if (current !== null) throw updateRunning(current.update);
    const own: Own = { controller: new AbortController(), gate: null };
    const entry = { update, own, done: Promise.resolve() as Promise<unknown> };
    current = entry;
    const done = work(own).finally(() => {
      if (current === entry) current = null;
    });
    entry.done = done.catch(() => {});
    return done;
  };

  const execute = async (state: UpdateState, own: Own, handover: Handover, fault: Fault | undefined) => {
    const { plan } = state;
    const say = (message: string) => {
      log(`${plan.id}: ${message}`);
      ledger.say(plan.id, message);
    };
    const steps = handover.steps(plan);
    const { signal } = own.controller;
    const gate = createFaultGate(fault, { signal, kill: dependencies.kill, consume: async () => {}, say });
    own.gate = gate;
    const contextWith = (aborted: AbortSignal) =>
      createContext({
        ...{ plan, directory: reports.directory(plan.id), fault, signal: aborted, log: say },
        pass: (point, when) => gate.pass(point, when),
        commit: () => commitUpdate(ledger, plan.id, aborted),
      });
    try {
      await runSteps({ context: contextWith(signal), steps, ledger, gate });
      if (!handover.staysInBoot) throw jumpReturned();
    } catch (error) {
      const reason = signal.aborted ? sentenceOf(signal.reason) : sentenceOf(error);
      const begun = ledger.get(plan.id)?.begun ?? {};
      const started = steps.filter((step) => begun[step.name] !== undefined);
      const context = contextWith(new AbortController().signal);
      const problems = await undoSteps({ context, steps: started, ledger }, vms);
      await closeUpdate(closing, plan.id, outcomeOfUndo(reason, problems));
      return;
    }
    // What cannot be written must not keep VMs from being verified, nor the update from ending.
    await ledger.flush().catch((error: unknown) => log(`Journal: ${sentenceOf(error)}`));
    await finishUpdate(closing, handover, contextWith(new AbortController().signal), gate);
  };

  return {
    ledger,
    closing,
    get current() {
      return current?.update ?? null;
    },
    exclusively,
    async begin(plan, fault) {
      const handover = handovers.get(plan.handover);
      if (handover === undefined) throw new ExuviaError('internal', `No handover ${plan.handover}.`);
      if (ledger.get(plan.id) !== undefined) throw planUsed(plan.id);
      const begun = Promise.withResolvers<Update>();
      const ended = exclusively(plan.id, async (own) => {
        await ledger.record({ kind: 'begin', update: plan.id, plan }, `The update ${plan.id} begins.`);
        const state = ledger.known(plan.id);
        begun.resolve(state.view);
        await execute(state, own, handover, fault);
      });
      ended.catch((error: unknown) => {
        log(`Update ${plan.id}: ${sentenceOf(error)}`);
        begun.reject(error);
      });
      return begun.promise;
    },
    async abort(update) {
      const { view } = ledger.known(update);
      if (current?.update !== update) throw updateEnded(view);
      const { own } = current;
      if (own.controller.signal.aborted || view.state === 'undoing') return view;
      // It may have got further before the record has its turn.
      await ledger.record({ kind: 'abort-requested', update }, 'An abort was requested.', () =>
        requireAbortable(ledger.known(update).view, own),
      );
      own.controller.abort(new ExuviaError('aborted', 'It was aborted on request.'));
      return ledger.known(update).view;
    },
    continue(update) {
      const { view } = ledger.known(update);
      if (current?.update === update && current.own.gate?.release() === true) return view;
      throw new ExuviaError('update-not-held', `Update ${update} is not held by a fault.`);
    },
    async idle() {
      await current?.done;
    },
    async stop() {
      stopped = true;
      if (current === null) return;
      const { update, own, done } = current;
      const known = ledger.get(update);
      const state = known?.view.state;
      const held = own.gate?.holding === true;
      if (known !== undefined && leavesKernel(known, bootId) && !held) return;
      // One that is past its point of no return is waited for: what is half restored would have to be begun anew.
      if (held || (state !== 'verifying' && state !== 'jumping')) {
        own.controller.abort(new ExuviaError('aborted', 'The agent was stopped.'));
      }
      await done;
    },
  };
}

/** The kernel is about to go, and the agent with it. Other updates are called `jumping` too, and are finished here. */
function leavesKernel({ view, plan, bootId }: UpdateState, thisBoot: string): boolean {
  return view.state === 'jumping' && !staysInBoot(plan.handover) && bootId === thisBoot;
}

/** Throws ExuviaError `update-jumping`, `update-ended`. */
function requireAbortable(view: Update, { gate }: Own): void {
  const { id, state } = view;
  if (isEnded(state)) throw updateEnded(view);
  if (state === 'verifying' || (state === 'jumping' && gate?.holding !== true)) {
    throw new ExuviaError('update-jumping', `Update ${id} is ${state}: it is past its point of no return.`);
  }
}

function updateEnded({ id, state }: Update): ExuviaError {
  return new ExuviaError('update-ended', `Update ${id} is ${state}: there is nothing to abort.`);
}

/**
 * What was kept back is written with it: the record must be on the disk before anything cannot be undone. Not after an
 * abort.
 */
async function commitUpdate(ledger: Ledger, update: string, signal: AbortSignal): Promise<void> {
  await ledger.flush();
  await ledger.record({ kind: 'commit', update }, 'The point of no return.', () => signal.throwIfAborted());
}

/** How an update ends whose steps were undone. */
export function outcomeOfUndo(reason: string, problems: readonly string[]) {
  if (problems.length === 0) return { outcome: 'aborted', reason } as const;
  return { outcome: 'failed', reason: `${reason} What could not be undone: ${problems.join('; ')}` } as const;
}

function updateRunning(update: string): ExuviaError {
  return new ExuviaError('update-running', `Update ${update} is running: one at a time.`, {
    hint: 'Wait for it, or abort it: `exuvia abort`.',
  });
}

function agentStops(): ExuviaError {
  return new ExuviaError('agent-not-serving', 'The agent is being stopped.', {
    hint: 'Ask again when it has been started: `systemctl status exuvia-agent`.',
  });
}

function planUsed(plan: string): ExuviaError {
  return new ExuviaError('plan-used', `Plan ${plan} has been executed already.`, {
    hint: 'Make a new one: `exuvia plan --kernel RELEASE`.',
  });
}
