import { readFileSync } from 'node:fs';
import { constants, getPriority } from 'node:os';
import { hurry } from '../machine/priority.ts';

const POLICIES: Readonly<Record<number, string>> = {
  1: 'SCHED_FIFO',
  2: 'SCHED_RR',
  3: 'SCHED_BATCH',
  5: 'SCHED_IDLE',
};

/**
 * How this process is scheduled while a VM stands because of it, for people: `SCHED_FIFO 5` (it was started by
 * `chrt -f 5`), `SCHED_OTHER, nice -20`. On a busy host its share of a pause depends on it.
 */
export function scheduling(): string {
  const text = readFileSync('/proc/self/stat', 'latin1');
  // Fields 40 and 41 of proc(5), counted behind the name, which may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [priority, policy] = [Number(fields[37]), Number(fields[38])];
  const name = POLICIES[policy] ?? 'SCHED_OTHER';
  return priority > 0 ? `${name} ${priority}` : `${name}, nice ${niceInStops()}`;
}

function niceInStops(): number {
  const relax = hurry();
  const nice = getPriority(constants.priority.PRIORITY_NORMAL);
  relax();
  return nice;
}
