import { ExuviaError, failureOfStep } from '@exuvia/contract';
import type { Step, StepContext, VmManager } from '../kinds.ts';
import { setClockOf } from '../workload/guest-clock.ts';
import type { FaultGate } from './faults.ts';
import type { Ledger } from './ledger.ts';

export interface Transaction {
  readonly context: StepContext;
  readonly steps: readonly Step[];
  readonly ledger: Ledger;
  readonly gate: FaultGate;
}

/**
 * Runs the steps up to and including the last one, which comes back only in a handover that stays in the boot.
 *
 * From the first step on during which VMs stand still nothing is written to the journal, except for that
 * step's own beginning, which is durable before it runs.
 */
export async function runSteps(transaction: Transaction): Promise<void> {
  for (const step of transaction.steps) {
    transaction.context.signal.throwIfAborted();
    await runStep(transaction, step);
  }
}

/** A step that should have left this kernel came back. */
export function jumpReturned(): ExuviaError {
  return new ExuviaError('jump-returned', 'The last step came back: the host is still on its old side.');
}

async function runStep({ context, ledger, gate }: Transaction, step: Step): Promise<void> {
  const update = context.plan.id;
  await ledger.record({ kind: 'step-started', update, step: step.name }, `${step.name}: ${step.description}`);
  if (step.phase !== null) ledger.deferWrites();
  try {
    await gate.pass(step.name, 'before');
    await step.run(context);
    await gate.pass(step.name, 'after');
  } catch (thrown) {
    if (context.signal.aborted) throw thrown;
    const error = sentenceOf(thrown);
    await ledger.record({ kind: 'step-failed', update, step: step.name, error }, `${step.name}: ${error}`);
    throw new StepFailed(step.name, thrown);
  }
  await ledger.record({ kind: 'step-done', update, step: step.name }, `${step.name}: done`);
}

/** A step did not do what it should: everything begun is to be undone. */
class StepFailed extends ExuviaError {
  override readonly name: string = 'StepFailed';

  constructor(step: string, cause: unknown) {
    super('step-failed', failureOfStep(step) + sentenceOf(cause), { cause });
  }
}

/**
 * Undoes steps in reverse order. What cannot be undone does not keep the rest from being undone, and every VM
 * of the plan is resumed in any case, as soon as no step is left that could have stopped it. Guests that may have stood still have
 * their wall clocks set, where they have an agent.
 *
 * @returns what went wrong, in sentences; empty when everything is as it was. Never throws.
 */
export async function undoSteps(
  { context, steps, ledger }: Omit<Transaction, 'gate'>,
  vms: Pick<VmManager, 'resume' | 'setClock'>,
): Promise<string[]> {
  const problems: string[] = [];
  const attempt = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
      return true;
    } catch (error) {
      problems.push(`${what}: ${sentenceOf(error)}`);
      context.log(problems.at(-1) ?? what);
      return false;
    }
  };
  const undo = async (step: Step) => {
    const update = context.plan.id;
    const begin = { kind: 'undo-started', update, step: step.name } as const;
    await attempt('Journal', () => ledger.record(begin, `${step.name}: undoing`));
    const undone = await attempt(`Undoing step ${step.name} failed`, async () => step.undo?.(context));
    const end = { kind: 'undo-done', update, step: step.name } as const;
    if (undone) await attempt('Journal', () => ledger.record(end, `${step.name}: undone`));
  };

  const reversed = steps.toReversed();
  for (const step of reversed.filter((step) => step.phase !== null)) await undo(step);
  for (const vm of context.plan.vms) {
    await attempt(`VM ${vm.name} could not be resumed`, () => vms.resume(vm.name));
  }
  await attempt('Journal', () => ledger.flush());
  for (const step of reversed.filter((step) => step.phase === null)) await undo(step);
  if (steps.some((step) => step.phase !== null))
    await Promise.all(
      context.plan.vms.map(({ name }) => setClockOf(vms, name, (message) => context.log(message))),
    );
  return problems;
}

/** What an error says and advises, as one line. */
export function sentenceOf(thrown: unknown): string {
  const hint = thrown instanceof ExuviaError && thrown.hint !== undefined ? ` ${thrown.hint}` : '';
  return `${thrown instanceof Error ? thrown.message : String(thrown)}${hint}`.replaceAll('\n', ' ').trim();
}
