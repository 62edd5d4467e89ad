import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { monotonicMs } from './clock.ts';
import type { Extent } from './pages.ts';
import type { Track } from './record.ts';
import { Sampler } from './sampler.ts';

export interface WorkerInput {
  readonly file: string;
  readonly extents: readonly Extent[];
  readonly names: readonly string[];
}

export type WorkerRequest = { readonly id: number; readonly kind: 'peek' | 'tracks' | 'stop' };

/** What a VM shows right now. */
export interface Glimpse {
  readonly name: string;
  readonly beats: number;
  readonly lastBeatAt: number | null;
  readonly verified: number;
  readonly errors: number;
}

export interface WorkerReply {
  readonly id: number;
  readonly now: number;
  readonly longestPauseMs: number;
  readonly glimpses: readonly Glimpse[];
  readonly tracks: readonly Track[] | null;
}

/** Between two samples, in which the thread sleeps. */
const INTERVAL_MS = 0.4;
const SAMPLES_BETWEEN_REQUESTS = 32;

if (parentPort !== null) watch(parentPort, workerData as WorkerInput);

/** The observer's thread: samples until it is told to stop, and never returns to the event loop before. */
function watch(port: MessagePort, input: WorkerInput): void {
  preferThisThread();
  const fd = openSync(input.file, 'r');
  const sampler = new Sampler(fd, input.extents, input.names, monotonicMs());
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let count = 0; ; count++) {
    sampler.sample(monotonicMs());
    if (count % SAMPLES_BETWEEN_REQUESTS === 0) {
      const request = receiveMessageOnPort(port)?.message as WorkerRequest | undefined;
      if (request !== undefined) port.postMessage(answer(sampler, request));
      if (request?.kind === 'stop') break;
    }
    Atomics.wait(sleeper, 0, 0, INTERVAL_MS);
  }
  closeSync(fd);
}

/**
 * Gives this thread alone a real-time priority: the machine's processors are busy with the lab host, and a
 * sample that comes late would be taken for a guest that stood still. Without the right to do so, sampling
 * is less even, and the longest pause between samples says so.
 */
function preferThisThread(): void {
  const thread = readlinkSync('/proc/thread-self').split('/').at(-1) ?? '';
  spawnSync('chrt', ['--fifo', '--pid', '10', thread], { stdio: 'ignore' });
}

function answer(sampler: Sampler, request: WorkerRequest): WorkerReply {
  const glimpses = sampler.tracks.map((track): Glimpse => {
    const work = track.work.at(-1);
    return {
      name: track.name,
      beats: track.times.length,
      lastBeatAt: track.times.at(-1) ?? null,
      verified: work?.verified ?? 0,
      errors: work?.errors ?? 0,
    };
  });
  const { longestPauseMs } = sampler;
  const tracks = request.kind === 'peek' ? null : sampler.tracks;
  return { id: request.id, now: monotonicMs(), longestPauseMs, glimpses, tracks };
}
