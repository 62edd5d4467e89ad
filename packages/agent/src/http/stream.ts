import type { UpdateEvent } from '@exuvia/contract';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Ledger } from '../engine/index.ts';
import { isEnded } from '../journal/index.ts';

/** Idle connections are kept alive by a comment; what is between may drop silent ones. */
const KEEP_ALIVE_MS = 5_000;

/**
 * The events of one update: first where it is now, then every change. The stream ends with the update.
 *
 * @throws ExuviaError `update-unknown`.
 */
export function streamUpdate(context: Context, ledger: Ledger, id: string): Response {
  const { view } = ledger.known(id);
  return streamSSE(context, async (stream) => {
    const queue: UpdateEvent[] = [
      { at: new Date().toISOString(), message: `The update is ${view.state}.`, update: view },
    ];
    let wake = () => {};
    const unsubscribe = ledger.subscribe(id, (event) => {
      queue.push(event);
      wake();
    });
    stream.onAbort(() => wake());
    const keepAlive = setInterval(() => void stream.write(': \n\n').catch(() => {}), KEEP_ALIVE_MS);
    try {
      while (!stream.aborted) {
        const event = queue.shift();
        if (event === undefined) {
          const woken = Promise.withResolvers<void>();
          wake = woken.resolve;
          await woken.promise;
          continue;
        }
        await stream.writeSSE({ event: 'update', data: JSON.stringify(event) });
        if (isEnded(event.update.state)) break;
      }
    } finally {
      clearInterval(keepAlive);
      unsubscribe();
    }
  });
}
