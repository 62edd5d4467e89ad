/** QEMU reads at most this many commands before it answers (QMP_REQ_QUEUE_LEN_MAX in monitor/qmp.c). */
const MAX_IN_FLIGHT = 8;

export interface QmpRequestEntry {
  readonly id: string;
  readonly command: string;
  readonly line: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Which commands wait and which are under way. Pure bookkeeping: it neither sends nor keeps time.
 *
 * A command that its caller gave up stays in flight until its answer comes, since it still takes one of
 * QEMU's places.
 */
export class RequestQueue {
  readonly #waiting: QmpRequestEntry[] = [];
  readonly #inFlight = new Map<string, QmpRequestEntry>();

  add(entry: QmpRequestEntry): void {
    this.#waiting.push(entry);
  }

  /** The next command that may be sent now; it counts as in flight from here on. */
  takeNext(): QmpRequestEntry | undefined {
    if (this.#inFlight.size >= MAX_IN_FLIGHT) return undefined;
    const entry = this.#waiting.shift();
    if (entry !== undefined) this.#inFlight.set(entry.id, entry);
    return entry;
  }

  /**
   * Ends the command that an answer belongs to. An error without an id belongs to the oldest one in flight:
   * QEMU answers in order. `undefined` when there is none.
   */
  settle(id: string | undefined): QmpRequestEntry | undefined {
    const key = id ?? this.#inFlight.keys().next().value;
    const entry = key === undefined ? undefined : this.#inFlight.get(key);
    if (entry !== undefined) this.#inFlight.delete(entry.id);
    return entry;
  }

  /** Forgets a command that was never sent; false when it is in flight already. */
  withdraw(entry: QmpRequestEntry): boolean {
    const index = this.#waiting.indexOf(entry);
    if (index >= 0) this.#waiting.splice(index, 1);
    return index >= 0;
  }

  /** Takes out everything, what is in flight first. */
  drain(): QmpRequestEntry[] {
    const all = [...this.#inFlight.values(), ...this.#waiting.splice(0)];
    this.#inFlight.clear();
    return all;
  }
}
