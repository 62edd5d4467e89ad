import type { Client } from '@exuvia/client';
import { ExuviaError } from '@exuvia/contract';
import { formatMs } from '@exuvia/report';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient, askAgent, otherKernel } from '../host/agent.ts';
import type { LabState } from '../host/state.ts';
import { fatesSince } from '../observer/fates.ts';
import { observeLab } from '../observer/lab.ts';
import type { Observer } from '../observer/observer.ts';
import type { Progress } from '../support/progress.ts';
import { median } from './statistics.ts';

/** What `npm run bench -- abort --json` prints. */
export interface AbortResult {
  readonly runs: number;
  /** From the moment at which exuvia-pause notices a failure to the last VM's resume, as it says itself. */
  readonly resumedMs: readonly number[];
  readonly medianMs: number;
  readonly limitMs: number;
  /** The longest blackout of any VM in each run, seen from outside: the whole pause, saving and undoing. */
  readonly blackoutMs: readonly number[];
  /** The observer's own longest pause. */
  readonly observerPauseMs: number;
}

const LIMIT_MS = 100;
const BEATS_LIMIT_MS = 240_000;
const WORK_LIMIT_MS = 120_000;
const START_LIMIT_MS = 120_000;
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
  const found: Failure[] = [];
  try {
    await observer.waitForBeats(BEATS_LIMIT_MS, 200);
    for (let run = 1; run <= options.runs; run++) {
      const failure = await failOnce(state, client, observer, other);
      const { resumedMs, blackoutMs } = failure;
      progress.say(
        `bench: failure ${run} of ${options.runs}: every VM resumed after ${resumedMs} ms; blackout ${blackoutMs.toFixed(0)} ms`,
      );
      found.push(failure);
    }
  } finally {
    await observer.stop();
    await client.close();
  }
  const resumedMs = found.map((failure) => failure.resumedMs);
  return {
    ...{ runs: options.runs, resumedMs, medianMs: median(resumedMs), limitMs: LIMIT_MS },
    blackoutMs: found.map(({ blackoutMs }) => blackoutMs),
    observerPauseMs: Math.max(...found.map(({ observerPauseMs }) => observerPauseMs)),
  };
}

interface Failure {
  readonly resumedMs: number;
  readonly blackoutMs: number;
  readonly observerPauseMs: number;
}

/** @throws ExuviaError `bench-update-failed` unless the update was aborted and every VM has lived on. */
async function failOnce(
  state: LabState,
  client: Client,
  observer: Observer,
  kernel: string,
): Promise<Failure> {
  await observer.waitForWork(WORK_LIMIT_MS);
  const { now: from } = await observer.peek();
  const { id } = await askAgent(
    state,
    (asked) => asked.startUpdate({ kernel, fault: FAULT }),
    START_LIMIT_MS,
  );
  const resumedMs = await resumedAfter(client.follow(id));
  const { lost, damaged } = await fatesSince(observer, from, GUEST_NAMES, WORK_LIMIT_MS);
  const { state: end, reason } = await askAgent(state, (asked) => asked.update(id));
  const { vms, longestPauseMs } = await observer.observation(from);
  if (end !== 'aborted' || lost.length + damaged.length > 0) {
    const what = end === 'aborted' ? `not whole: ${[...lost, ...damaged].join(', ')}` : (reason ?? end);
    throw new ExuviaError('bench-update-failed', `Update ${id} does not count: ${what}.`);
  }
  const blackoutMs = Math.max(...vms.map((vm) => vm.blackoutMs));
  return { resumedMs, blackoutMs, observerPauseMs: longestPauseMs };
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

export function renderAbortResult({ runs, medianMs, limitMs, blackoutMs }: AbortResult): string {
  const verdict = medianMs <= limitMs ? 'kept' : 'NOT KEPT';
  return `Failure right before the jump to every VM running: ${medianMs.toFixed(1)} ms (median of ${runs}; limit ${limitMs} ms: ${verdict}).
Blackout of the slowest VM, seen from outside, saving and sealing included: ${formatMs(median(blackoutMs))} ms (median).
`;
}
