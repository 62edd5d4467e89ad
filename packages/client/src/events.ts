import { setTimeout as sleep } from 'node:timers/promises';
import { type UpdateEvent, updateEventSchema } from '@exuvia/contract';
import { Unreachable } from './errors.ts';
import type { Transport } from './transport.ts';

export interface FollowOptions {
  readonly signal?: AbortSignal;
  /**
   * Gives up when the agent has not been reachable for so long; asked whenever the connection is lost.
   * Default: never reconnects.
   */
  readonly reconnectForMs?: number | (() => number);
  /** Called once whenever the connection is lost, before the first attempt to reconnect. */
  onLost?(error: Unreachable): void;
}

const RETRY_MS = 500;
const ENDED = new Set(['completed', 'aborted', 'failed']);

/**
 * The events of an update until its end, through the jump: while the host is between its two sides nobody
 * answers, and the agent of the new side goes on telling.
 *
 * @throws Refused `update-unknown`; Unreachable.
 */
export async function* followUpdate(
  transport: Transport,
  id: string,
  options: FollowOptions = {},
): AsyncGenerator<UpdateEvent, void, undefined> {
  const { signal, reconnectForMs = 0, onLost } = options;
  const patience = () => (typeof reconnectForMs === 'number' ? reconnectForMs : reconnectForMs());
  let lostAt: number | null = null;
  for (;;) {
    try {
      for await (const event of eventsOf(transport, id, signal)) {
        lostAt = null;
        yield event;
        if (ENDED.has(event.update.state)) return;
      }
      throw new Unreachable('the other end', new Error('it ended the stream'), 'It may be restarting.');
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      if (lostAt === null) onLost?.(error);
      lostAt ??= performance.now();
      if (performance.now() - lostAt >= patience()) throw error;
      await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal });
    }
  }
}

async function* eventsOf(
  transport: Transport,
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<UpdateEvent, void, undefined> {
  for await (const data of serverSentData(await transport.stream(`/v1/updates/${id}/events`, signal))) {
    yield updateEventSchema.parse(JSON.parse(data));
  }
}

/** The data of each server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export async function* serverSentData(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const events = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data:'));
      if (data.length > 0) yield data.map((line) => line.slice('data:'.length).replace(/^ /, '')).join('\n');
    }
  }
}
