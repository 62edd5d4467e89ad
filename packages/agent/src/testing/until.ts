import { request } from 'node:http';
import { type Update, type UpdateEvent, updateEventSchema } from '@exuvia/contract';
import type { TestAgent } from './agent.ts';

/** Waits for an update's state by listening to its events; no clock is asked. */
export async function untilState(agent: TestAgent, id: string, state: Update['state']): Promise<Update> {
  return (await untilEvent(agent.socket, id, (event) => event.update.state === state)).update;
}

/** Waits until an update's agent has said something. */
export async function untilStep(agent: TestAgent, id: string, message: string): Promise<void> {
  if (agent.logged.some((line) => line === `${id}: ${message}`)) return;
  await untilEvent(
    agent.socket,
    id,
    (event) => event.message === message || agent.logged.includes(`${id}: ${message}`),
  );
}

async function untilEvent(
  socketPath: string,
  id: string,
  wanted: (event: UpdateEvent) => boolean,
): Promise<UpdateEvent> {
  const found = Promise.withResolvers<UpdateEvent>();
  const seen: string[] = [];
  const asking = request({ socketPath, path: `/v1/updates/${id}/events` }, (response) => {
    let rest = '';
    response.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString('utf8')).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const data = /^data: (.*)$/m.exec(part)?.[1];
        if (data === undefined) continue;
        const event = updateEventSchema.parse(JSON.parse(data));
        seen.push(`${event.update.state}: ${event.message}`);
        if (wanted(event)) found.resolve(event);
      }
    });
    response.on('close', () => found.reject(new Error(`The events ended without it: ${seen.join(' | ')}`)));
  });
  asking.on('error', found.reject);
  asking.end();
  try {
    return await found.promise;
  } finally {
    asking.destroy();
  }
}
