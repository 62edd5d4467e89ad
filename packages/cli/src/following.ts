import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, Unreachable } from '@exuvia/client';
import { ExuviaError, staysInBoot, type Update } from '@exuvia/contract';
import { isRemote } from './connect.ts';
import type { Invocation } from './program.ts';
import { createProgress } from './progress.ts';

/** A rebooting host may need minutes for firmware and userland. */
const NEW_SIDE_MS = 30 * 60_000;
/** An agent that died is started again by systemd. */
const RESTART_MS = 30_000;

/**
 * Follows an update to its end.
 *
 * @param goesOn what Ctrl-C leaves behind.
 * @throws ExuviaError `interrupted`.
 */
export async function lastState(
  client: Client,
  id: string,
  { options, io }: Invocation,
  goesOn: string,
): Promise<Update> {
  const progress = options.json === true ? () => {} : createProgress(io);
  let last: Update | null = null;
  const remote = isRemote(options);
  const follow = client.follow(id, {
    signal: io.signal,
    reconnectForMs: () => patience(jumps(last), remote),
    onLost: () => {
      if (options.json !== true) io.err(lossOf(jumps(last), remote));
    },
  });
  try {
    for await (const event of follow) {
      progress(event);
      last = event.update;
    }
  } catch (cause) {
    if (!io.signal.aborted) throw cause;
    throw new ExuviaError('interrupted', goesOn, { cause });
  }
  return last ?? (await client.update(id));
}

/** Asks the agent, and waits for one that has just told how an update ended and is being started anew. */
export async function askAgain<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const until = performance.now() + RESTART_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Unreachable) || performance.now() >= until) throw error;
      await sleep(500);
    }
  }
}

/** The host leaves its kernel, as far as it was seen. */
function jumps(seen: Update | null): boolean {
  return seen !== null && seen.state === 'jumping' && !staysInBoot(seen.handover);
}

/** A command that runs on the host itself ends with its jump: it has nothing to wait for. */
function patience(jumped: boolean, remote: boolean): number {
  if (remote) return NEW_SIDE_MS;
  return jumped ? 0 : RESTART_MS;
}

function lossOf(jumped: boolean, remote: boolean): string {
  if (!jumped) return 'The connection is gone. Waiting for the agent.\n';
  if (!remote) return 'The connection is gone: the host is jumping.\n';
  return 'The connection is gone: the host has jumped. Waiting for its new side.\n';
}
