import { ExuviaError } from '@exuvia/contract';
import type { Patches, PatchState, PatchStatus, SwitchReport } from '@exuvia/guest';
import type { GlobalOptions } from '../../../connect.ts';
import type { Io } from '../../../io.ts';
import { show } from '../../../print.ts';
import { timeoutMsOf } from '../../../seconds.ts';
import { adviceFor, renderFinding, renderState, renderSwitch } from './render-state.ts';

export interface WaitOptions {
  readonly wait?: boolean;
  readonly timeout: string;
}

/** Milliseconds to wait for threads; 0 without --wait. @throws ExuviaError `usage`. */
export function waitLimit({ wait, timeout }: WaitOptions): number {
  const timeoutMs = timeoutMsOf(timeout);
  return wait === true ? timeoutMs : 0;
}

interface Surroundings {
  readonly io: Io;
  readonly options: GlobalOptions;
  readonly patches: Patches;
  readonly timeoutMs: number;
  /** Read before the switch, so that Ctrl-C does not end that in its middle. */
  readonly signal: AbortSignal;
}

/**
 * Tells of a switch, and follows its patch until no thread is waited for any more, if that was asked for.
 *
 * @returns false when that has not happened in time.
 * @throws ExuviaError `interrupted`.
 */
export async function finishSwitch(
  { io, options, patches, timeoutMs, signal }: Surroundings,
  { verb, from, report }: { readonly verb: string; readonly from: PatchState; readonly report: SwitchReport },
): Promise<boolean> {
  const quiet = options.json === true;
  for (const finding of patches.findings) io.err(`${renderFinding(finding)}\n`);
  if (!quiet) io.out(renderSwitch(verb, report));
  const now = () => patches.list().find(({ id }) => id === report.patch.id) ?? ended(report.patch, from);
  let last = renderState(report.patch);
  if (!quiet) io.out(`${from} -> ${last}\n`);
  let done = isDone(report.patch);
  if (!done && timeoutMs > 0) {
    await patches.wait({ timeoutMs, signal }, () => {
      const text = renderState(now());
      if (!quiet && text !== last) io.out(`-> ${text}\n`);
      last = text;
    });
    done = isDone(now());
    if (!done && signal.aborted) throw interrupted(report.patch.id, last);
    if (!done)
      io.err(
        `exuvia: It is not ${from === 'applying' ? 'complete' : 'retired'} within ${timeoutMs / 1000} s.\n`,
      );
  }
  const patch = isDone(report.patch) ? report.patch : now();
  const { pauseUs, attempts } = report;
  const findings = patches.findings;
  show(io, options, { patch, pauseUs, attempts, findings }, () => adviceFor(patch));
  return done || timeoutMs === 0;
}

function interrupted(id: string, state: string): ExuviaError {
  return new ExuviaError('interrupted', `Patch ${id} is ${state}; its threads are not waited for any more.`, {
    hint: '`exuvia guest patch reconcile` looks again.',
  });
}

function isDone({ state }: PatchStatus): boolean {
  return state === 'complete' || state === 'retired';
}

function ended(patch: PatchStatus, from: PatchState): PatchStatus {
  return { ...patch, state: from === 'applying' ? 'complete' : 'retired', waitingFor: [] };
}
