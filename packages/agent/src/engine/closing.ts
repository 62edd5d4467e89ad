import type { Host, Report, Vm } from '@exuvia/contract';
import type { UpdateState } from '../journal/index.ts';
import type { Ledger } from './ledger.ts';
import { type ReportStore, reportWithoutJump } from './reports.ts';
import { sentenceOf } from './transaction.ts';

export interface Closing {
  readonly ledger: Ledger;
  readonly reports: ReportStore;
  readonly now: () => Date;
  host(): Promise<Host>;
  vms(): Promise<readonly Vm[]>;
  log(message: string): void;
}

export interface Outcome {
  readonly outcome: 'completed' | 'aborted' | 'failed';
  readonly reason: string | null;
  /** What the handover measured; without it the update never came to the new side. */
  readonly report?: Report;
}

/**
 * Ends an update: the report first, then the record, so that an ended update always has its report. What goes
 * wrong with the report is logged and does not keep the update open.
 */
export async function closeUpdate(closing: Closing, id: string, end: Outcome): Promise<void> {
  const { ledger, reports, log } = closing;
  try {
    await reports.write(await finalReport(closing, ledger.known(id), end));
  } catch (error) {
    log(`The report of update ${id} could not be written: ${sentenceOf(error)}`);
  }
  const { outcome, reason } = end;
  const record = { kind: 'closed', update: id, outcome, ...(reason === null ? {} : { reason }) } as const;
  const message = reason === null ? `The update is ${outcome}.` : `The update is ${outcome}: ${reason}`;
  await ledger.flush().catch((error: unknown) => log(`Journal: ${sentenceOf(error)}`));
  try {
    await ledger.record(record, message);
  } catch (error) {
    // Whoever follows is told all the same. The next agent finds the update open, and finishes or undoes it once more.
    log(`The end of update ${id} could not be written to the journal: ${sentenceOf(error)}`);
    await ledger.assume(record, `${message} The journal could not be written: ${sentenceOf(error)}`);
  }
}

async function finalReport(closing: Closing, state: UpdateState, end: Outcome): Promise<Report> {
  const { outcome, reason, report } = end;
  const finishedAt = closing.now().toISOString();
  if (report !== undefined)
    return { ...report, outcome, reason, finishedAt, startedAt: state.view.startedAt };
  const planned = state.plan.vms.map((vm) => vm.name);
  const ended = { ...state.view, state: outcome, reason, finishedAt };
  return reportWithoutJump(ended, await closing.host(), planned, await closing.vms());
}
