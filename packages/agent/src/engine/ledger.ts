import { ExuviaError, type JournalRecord, type Update, type UpdateEvent } from '@exuvia/contract';
import { applyRecord, type Journal, type UpdateState, verifying } from '../journal/index.ts';

type WithoutStamp<Record> = Record extends unknown ? Omit<Record, 'v' | 'at' | 'bootId'> : never;

/** A journal record before it is stamped. */
export type RecordBody = WithoutStamp<JournalRecord>;

type UpdateListener = (event: UpdateEvent) => void;

/** What is known of every update: the journal on disk, its states in memory, and who listens. */
export interface Ledger {
  get(update: string): UpdateState | undefined;
  /** Throws ExuviaError `update-unknown`. */
  known(update: string): UpdateState;
  /** Newest first. */
  list(): UpdateState[];
  /**
   * Stamps and writes a record, and tells the listeners. Nothing is told when the write fails.
   *
   * @param allow throws when the update's state, after all records before this one, does not allow it
   */
  record(body: RecordBody, message: string, allow?: (state: UpdateState | undefined) => void): Promise<void>;
  /** As {@link record}, without the disk: for the end of an update when that cannot be written. */
  assume(body: RecordBody, message: string): Promise<void>;
  /** From now on records are only kept in memory: an fsync has no place where VMs stand still. */
  deferWrites(): void;
  /** Writes what was kept back, and every further record at once again. */
  flush(): Promise<void>;
  /** Marks a committed update as being verified; the journal has no record of it. */
  verifying(update: string): void;
  /** Tells the listeners of an update something that changes nothing. */
  say(update: string, message: string): void;
  subscribe(update: string, listener: UpdateListener): () => void;
}

export function createLedger(journal: Journal, bootId: string, now: () => Date): Ledger {
  const states = new Map(journal.updates);
  const listeners = new Map<string, Set<UpdateListener>>();
  let deferred: JournalRecord[] | null = null;
  let turn: Promise<unknown> = Promise.resolve();

  /** One after the other: each record is made from the state that the one before has left. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = turn.then(work);
    turn = result.catch(() => {});
    return result;
  };

  const tell = (view: Update, message: string) => {
    const event: UpdateEvent = { at: now().toISOString(), message, update: view };
    for (const listener of listeners.get(view.id) ?? []) listener(event);
  };
  const known = (update: string): UpdateState => {
    const state = states.get(update);
    if (state !== undefined) return state;
    throw new ExuviaError('update-unknown', `There is no update ${update}.`, {
      hint: 'See `exuvia history`.',
    });
  };

  const take = async (
    body: RecordBody,
    message: string,
    write: (record: JournalRecord) => Promise<void>,
  ): Promise<void> => {
    const record: JournalRecord = { v: 1, at: now().toISOString(), bootId, ...body };
    const next = applyRecord(states.get(record.update), record);
    await write(record);
    states.set(record.update, next);
    tell(next.view, message);
  };

  return {
    get: (update) => states.get(update),
    known,
    list: () => [...states.values()].reverse(),
    record: (body, message, allow) =>
      inTurn(async () => {
        allow?.(states.get(body.update));
        await take(body, message, async (record) => {
          if (deferred === null) await journal.append(record);
          else deferred.push(record);
        });
      }),
    assume: (body, message) => inTurn(() => take(body, message, async () => {})),
    deferWrites() {
      deferred ??= [];
    },
    flush: () =>
      inTurn(async () => {
        const kept = deferred ?? [];
        deferred = null;
        if (kept.length > 0) await journal.append(...kept);
      }),
    verifying(update) {
      const next = verifying(known(update));
      states.set(update, next);
      tell(next.view, 'The new side verifies the update.');
    },
    say(update, message) {
      tell(known(update).view, message);
    },
    subscribe(update, listener) {
      const set = listeners.get(update) ?? new Set();
      listeners.set(update, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(update) === set) listeners.delete(update);
      };
    },
  };
}
