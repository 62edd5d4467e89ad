import { readFileSync } from 'node:fs';

const POLICIES: Readonly<Record<number, string>> = {
  1: 'SCHED_FIFO',
  2: 'SCHED_RR',
  3: 'SCHED_BATCH',
  5: 'SCHED_IDLE',
};

/**
 * How this process is scheduled, for people: `SCHED_FIFO 5`, or `SCHED_OTHER` when nothing was asked for. The
 * tool's share of a pause depends on it when the host is busy (`chrt -f 5 exuvia ...`).
 */
export function scheduling(): string {
  const text = readFileSync('/proc/self/stat', 'latin1');
  // Fields 40 and 41 of proc(5), counted behind the name, which may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [priority, policy] = [Number(fields[37]), Number(fields[38])];
  const name = POLICIES[policy] ?? 'SCHED_OTHER';
  return priority > 0 ? `${name} ${priority}` : name;
}
