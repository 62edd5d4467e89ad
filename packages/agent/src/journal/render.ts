import type { JournalRecord } from '@exuvia/contract';

/**
 * One journal line, line break included. The native pause program appends the `commit` line itself, rendered
 * by this beforehand: nothing but a write and an fsync is left to do while the VMs stand still.
 */
export function renderRecord(record: JournalRecord): string {
  return `${JSON.stringify(record)}\n`;
}
