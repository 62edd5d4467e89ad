import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError, type Update } from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import { agentClient, askAgent } from '../host/agent.ts';
import { type LabState, labPaths, processStartTime } from '../host/state.ts';
import { patiently } from '../support/patience.ts';
import type { Progress } from '../support/progress.ts';

const ENDED: ReadonlySet<Update['state']> = new Set(['completed', 'aborted', 'failed']);
const POLL_MS = 1000;
const LIMIT_MS = 600_000;

/**
 * Follows an update through the jump until it has ended, and says what happens. Events tell it as long as
 * the connection lives; the state is asked for as well, since a connection does not always notice that its
 * other end has become another kernel.
 *
 * @throws ExuviaError `update-lost` when the update has no end within the limit.
 */
export async function followToEnd(state: LabState, id: string, progress: Progress): Promise<Update> {
  const tell = teller(progress);
  const ended = new AbortController();
  const following = followEvents(state, id, ended.signal, tell);
  try {
    for (
      const until = performance.now() + patiently(LIMIT_MS);
      performance.now() < until;
      await sleep(POLL_MS)
    ) {
      const update = await askAgent(state, (client) => client.update(id)).catch(() => null);
      if (update !== null) tell(update);
      if (update !== null && ENDED.has(update.state)) return update;
      if ((await processStartTime(state.pid)) !== state.startTime) {
        throw new ExuviaError('lab-died', 'The lab host died during the update.');
      }
    }
  } finally {
    ended.abort();
    await following;
  }
  throw new ExuviaError('update-lost', `Update ${id} did not end within ${LIMIT_MS / 1000} s.`, {
    hint: hintOf(await readIfExists(labPaths().consoleLog)),
  });
}

/** Of an emulated machine's kernel that has panicked the console is all that is left; its reason stands before the panic. */
function hintOf(console: string | null): string {
  const reason = console?.match(/\b(?:Oops|BUG|Kernel panic)\b[^\n]*/g)?.at(-1);
  const kernel = reason === undefined ? '' : ` The last that its kernel complained of: ${reason.trim()}.`;
  return `The lab host's console: ${labPaths().consoleLog}.${kernel} See docs/troubleshooting.md, "The lab".`;
}

async function followEvents(
  state: LabState,
  id: string,
  signal: AbortSignal,
  tell: (update: Update) => void,
): Promise<void> {
  const client = await agentClient(state);
  try {
    for await (const event of client.follow(id, { signal })) tell(event.update);
  } catch {
    // The connection ends with the old kernel, or with the wait: the state that is asked for counts.
  } finally {
    await client.close();
  }
}

/** Says what is new since the last time. */
function teller(progress: Progress): (update: Update) => void {
  const told = new Map<string, string>();
  let state: string | null = null;
  return (update) => {
    for (const step of update.steps) {
      if (told.get(step.name) === step.state || step.state === 'pending') continue;
      told.set(step.name, step.state);
      if (step.state === 'running') continue;
      const time = step.ms === null ? '' : ` (${(step.ms / 1000).toFixed(2)} s)`;
      progress.say(`  ${step.state === 'done' ? '+' : step.state} ${step.name}${time}`);
    }
    if (update.state === state) return;
    state = update.state;
    progress.say(`update: ${update.state}${update.reason === null ? '' : `: ${update.reason}`}`);
  };
}
