import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ExuviaError, type Observation } from '@exuvia/contract';
import { patiently } from '../support/patience.ts';
import type { Extent } from './pages.ts';
import { observationOf, type Window } from './record.ts';
import type { Glimpse, WorkerInput, WorkerReply, WorkerRequest } from './worker.ts';

const CLOCK = 'CLOCK_MONOTONIC of the machine that runs the lab host, read outside it';
const HINT = "See the VMs' consoles.";

export interface ObserverOptions {
  /** The file that holds the RAM of the host that is watched. */
  readonly file: string;
  /** Where in it to look for heartbeat pages. */
  readonly extents: readonly Extent[];
  readonly names: readonly string[];
  /** What VMs that are not heard of look like from their host; becomes part of the error. */
  readonly describe?: (names: readonly string[]) => Promise<string>;
}

/**
 * Watches VMs from outside their host: a thread reads their heartbeat pages straight from the file that
 * holds the host's RAM, about every half millisecond, whatever the host does meanwhile.
 */
export class Observer {
  readonly #worker: Worker;
  readonly #describe: NonNullable<ObserverOptions['describe']>;
  readonly #waiting = new Map<number, PromiseWithResolvers<WorkerReply>>();
  #nextId = 1;
  #failure: Error | null = null;

  constructor({ describe = async () => '', ...options }: ObserverOptions) {
    this.#describe = describe;
    const workerData: WorkerInput = options;
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData });
    this.#worker.on('message', (reply: WorkerReply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
      // An observer by itself keeps no program from ending; one that is asked does.
      if (this.#waiting.size === 0) this.#worker.unref();
    });
    this.#worker.on('error', (error: Error) => {
      this.#failure = error;
      for (const { reject } of this.#waiting.values()) reject(error);
    });
    this.#worker.unref();
  }

  /** What each VM shows right now, and the observer's clock. */
  async peek(): Promise<{ readonly now: number; readonly vms: readonly Glimpse[] }> {
    const { now, glimpses } = await this.#ask('peek');
    return { now, vms: glimpses };
  }

  /**
   * Waits until every VM was seen to beat `beats` more times.
   *
   * @throws ExuviaError `heartbeat-missing`, naming the VMs that were not.
   */
  async waitForBeats(limitMs: number, beats = 20): Promise<void> {
    const silent = await this.silentVms(limitMs, beats);
    if (silent.length === 0) return;
    const what = `No heartbeat came from ${silent.join(', ')} within ${limitMs / 1000} s.`;
    throw new ExuviaError('heartbeat-missing', await this.#said(what, silent), { hint: HINT });
  }

  /** The VMs that were not seen to beat `beats` more times within the limit; returns as soon as all were. */
  silentVms(limitMs: number, beats = 20): Promise<string[]> {
    return this.#waitFor(limitMs, (vm) => vm.beats, beats);
  }

  /**
   * Waits until every VM (or those of `names`) has verified more of its work than it had.
   *
   * @throws ExuviaError `work-missing`, naming the VMs that have not.
   */
  async waitForWork(limitMs: number, names?: readonly string[]): Promise<void> {
    const idle = await this.#waitFor(limitMs, (vm) => vm.verified, 1, names);
    if (idle.length === 0) return;
    const what = `${idle.join(', ')} verified nothing within ${limitMs / 1000} s.`;
    throw new ExuviaError('work-missing', await this.#said(what, idle), { hint: HINT });
  }

  async #said(what: string, names: readonly string[]): Promise<string> {
    return [what, await this.#describe(names)].filter((part) => part !== '').join('\n');
  }

  /** The VMs whose count has not grown by `growth` within the limit. */
  async #waitFor(
    limitMs: number,
    count: (vm: Glimpse) => number,
    growth: number,
    names?: readonly string[],
  ): Promise<string[]> {
    const before = new Map((await this.peek()).vms.map((vm) => [vm.name, count(vm)]));
    for (const until = performance.now() + patiently(limitMs); ; await sleep(100)) {
      const { vms } = await this.peek();
      const watched = vms.filter(({ name }) => names?.includes(name) ?? true);
      const waiting = watched.filter((vm) => count(vm) < (before.get(vm.name) ?? 0) + growth);
      if (waiting.length === 0 || performance.now() > until) return waiting.map((vm) => vm.name);
    }
  }

  /** What was seen in a window of the observer's clock, from `from` until now if no end is given. */
  async observation(from: number, to?: number): Promise<Observation & { longestPauseMs: number }> {
    const reply = await this.#ask('tracks');
    const window: Window = { from, to: to ?? reply.now };
    const vms = (reply.tracks ?? []).map((track) => observationOf(track, window));
    return { observer: 'exuvia lab', clock: CLOCK, vms, longestPauseMs: reply.longestPauseMs };
  }

  /** Ends the observer's thread; a second time does nothing. */
  async stop(): Promise<void> {
    await this.#ask('stop').catch(() => undefined);
    await this.#worker.terminate();
    this.#failure ??= new Error('The observer has been stopped.');
  }

  #ask(kind: WorkerRequest['kind']): Promise<WorkerReply> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const request: WorkerRequest = { id: this.#nextId++, kind };
    const reply = Promise.withResolvers<WorkerReply>();
    this.#waiting.set(request.id, reply);
    this.#worker.ref();
    this.#worker.postMessage(request);
    return reply.promise;
  }
}
