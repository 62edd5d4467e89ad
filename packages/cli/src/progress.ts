import type { Update, UpdateEvent } from '@exuvia/contract';
import { formatSpan } from '@exuvia/report';
import type { Io } from './io.ts';

type Step = Update['steps'][number];

const MARKS: Readonly<Record<Step['state'], string>> = {
  pending: ' ',
  running: '>',
  done: '+',
  failed: 'x',
  undone: '-',
};

/** One step as a line: mark, name, phase, time. */
export function stepLine(step: Step): string {
  const time = step.ms === null ? '' : formatSpan(step.ms);
  const phase = step.phase === null ? '' : `[${step.phase}]`;
  return `  ${MARKS[step.state]} ${step.name.padEnd(26)} ${time.padStart(9)}  ${phase}`.trimEnd();
}

/**
 * Prints an update's events as they come: one line a step when it ends, one a state, and what a step has to
 * say. Goes to standard error, so that standard output holds the result alone.
 */
export function createProgress(io: Io): (event: UpdateEvent) => void {
  let state: Update['state'] | null = null;
  const printed = new Map<string, Step['state']>();
  return ({ message, update }) => {
    if (update.state !== state && state !== null && update.finishedAt === null) io.err(`${update.state}\n`);
    state = update.state;
    for (const step of update.steps) {
      if (printed.get(step.name) === step.state) continue;
      printed.set(step.name, step.state);
      if (step.state !== 'pending' && step.state !== 'running') io.err(`${stepLine(step)}\n`);
    }
    // What is said of a step in general (`load: done`) is in its line already.
    if (!update.steps.some((step) => message.startsWith(`${step.name}: `))) io.err(`    ${message}\n`);
  };
}
