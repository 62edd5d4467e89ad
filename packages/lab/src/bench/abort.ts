import { ExuviaError } from '@exuvia/contract';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient, askAgent, otherKernel } from '../host/agent.ts';
import type { LabState } from '../host/state.ts';
import { observeLab } from '../observer/lab.ts';
import type { Progress } from '../support/progress.ts';
import { median } from './statistics.ts';

/** What `npm run bench -- abort --json` prints. */
export interface AbortResult {
  readonly runs: number;
  /** From the moment at which exuvia-pause notices a failure to the last VM's resume, as it says itself. */
  readonly resumedMs: readonly number[];
  readonly medianMs: number;
  readonly limitMs: number;
}

const LIMIT_MS = 100;
const BEATS_LIMIT_MS = 240_000;
/** The worst place: everything is saved and sealed, and all of it is undone. */
const FAULT = { step: 'commit', action: 'fail', when: 'after' } as const;

/** Updates that fail right before their jump; how soon every VM runs on. */
export async function runAbortBenchmark(
  state: LabState,
  options: { runs: number },
  progress: Progress,
): Promise<AbortResult> {
  const client = await agentClient(state);
  const other = await otherKernel(state);
  await startGuests(client, GUEST_NAMES, { busyMemory: '512M' });
  const observer = observeLab(state, await client.host(), GUEST_NAMES);
  const resumedMs: number[] = [];
  try {
    await observer.waitForBeats(BEATS_LIMIT_MS, 200);
    for (let run = 1; run <= options.runs; run++) {
      const { id } = await askAgent(
        state,
        (asked) => asked.startUpdate({ kernel: other, fault: FAULT }),
        120_000,
      );
      const ms = await resumedAfter(client.follow(id));
      progress.say(`bench: failure ${run} of ${options.runs}: every VM resumed after ${ms} ms`);
      resumedMs.push(ms);
    }
  } finally {
    await observer.stop();
    await client.close();
  }
  return { runs: options.runs, resumedMs, medianMs: median(resumedMs), limitMs: LIMIT_MS };
}

/** Reads an update's events to their end. */
async function resumedAfter(events: AsyncIterable<{ readonly message: string }>): Promise<number> {
  let found: number | null = null;
  for await (const { message } of events) {
    const ms = /^resumed after ([0-9.]+) ms$/.exec(message)?.[1];
    if (ms !== undefined) found = Number(ms);
  }
  if (found !== null) return found;
  throw new ExuviaError('bench-incomplete', 'The update did not say when its VMs were resumed.');
}

export function renderAbortResult({ runs, medianMs, limitMs }: AbortResult): string {
  const verdict = medianMs <= limitMs ? 'kept' : 'NOT KEPT';
  return `Failure right before the jump to every VM running: ${medianMs.toFixed(1)} ms (median of ${runs}; limit ${limitMs} ms: ${verdict}).\n`;
}
