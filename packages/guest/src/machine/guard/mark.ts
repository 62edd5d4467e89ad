import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { isErrno } from '@exuvia/sys';

/**
 * A byte in a file beside the control channel that says whether the VM stands because of us: `1` from
 * before a stop until after the VM goes on. Whoever cleans up after us reads it. A file, not a message: it
 * wakes nobody up at the moment that is measured.
 */
export interface StopMark {
  set(standing: boolean): void;
  /** The file is removed. */
  close(): Promise<void>;
}

export function openStopMark(path: string): StopMark {
  const descriptor = openSync(path, 'w', 0o600);
  writeSync(descriptor, '0', 0);
  return {
    set(standing) {
      writeSync(descriptor, standing ? '1' : '0', 0);
    },
    async close() {
      closeSync(descriptor);
      await rm(path, { force: true });
    },
  };
}

/** What somebody who is gone left in the mark; `null` when there is none. */
export function readStopMark(path: string): boolean | null {
  try {
    return readFileSync(path, 'latin1') === '1';
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}
