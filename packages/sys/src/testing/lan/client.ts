import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientReport } from './client-program.ts';
import type { ConversationState } from './conversation.ts';

/** A client of a guest in a network namespace (client-program.ts). */
export interface LanClient {
  /** Waits until both sides of both connections have heard so much more. @throws Error when one has ended, or never began. */
  more(lines: number, limitMs: number): Promise<void>;
  /** Ends both connections in good order, and returns what was seen: outward, then inward. */
  finish(): Promise<readonly ConversationState[]>;
  kill(): void;
}

/** @param guest address of the guest @param own address of this client in the namespace */
export function startLanClient(namespace: string, guest: string, own: string): LanClient {
  const program = join(import.meta.dirname, 'client-program.ts');
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, program, guest, own], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  let last: ClientReport = { outward: null, inward: [] };
  createInterface(child.stdout).on('line', (line) => {
    last = JSON.parse(line) as ClientReport;
  });
  const states = () => (last.outward === null ? [] : [last.outward, ...last.inward]);
  return {
    async more(lines, limitMs) {
      const before = states();
      for (const deadline = Date.now() + limitMs; !hasGoneOn(before, states(), lines); await sleep(100)) {
        const cut = states().find(({ end }) => end !== null);
        if (cut !== undefined) throw new Error(`A connection has ended: ${JSON.stringify(cut)}`);
        if (Date.now() > deadline)
          throw new Error(`Too little was heard: ${JSON.stringify([before, states()])}`);
      }
    },
    async finish() {
      child.stdin.end();
      await ended;
      return states();
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

function hasGoneOn(
  before: readonly ConversationState[],
  now: readonly ConversationState[],
  lines: number,
): boolean {
  return (
    now.length >= 2 &&
    now.every(
      ({ received, heard }, index) =>
        received >= (before[index]?.received ?? 0) + lines && heard >= (before[index]?.heard ?? 0) + lines,
    )
  );
}
