import { EventEmitter, on } from 'node:events';
import { createConnection } from 'node:net';
import type { Duplex } from 'node:stream';
import { QmpClosedError, QmpCommandError, QmpIllegalTransitionError, QmpTimeoutError } from '../errors.ts';
import type { QmpCommands } from '../generated/qapi.ts';
import type { QmpEvent } from './event.ts';
import { toEvent } from './event.ts';
import { LineSplitter } from './lines.ts';
import type { QmpGreeting, QmpMessage } from './messages.ts';
import { parseMessage } from './messages.ts';
import type { QmpRequestEntry } from './requests.ts';
import { RequestQueue } from './requests.ts';
import type { QmpCloseReason, QmpInput, QmpState } from './state.ts';
import { INITIAL_STATE, transition } from './state.ts';

export interface QmpOptions {
  /** For connecting and negotiating, and the default for each command. Default: 30 s. */
  readonly timeoutMs?: number;
  /** Lines longer than this end the connection with an error. */
  readonly maxLineCharacters?: number;
}

type Arguments<C extends keyof QmpCommands> = QmpCommands[C]['arguments'];
type Return<C extends keyof QmpCommands> = QmpCommands[C]['return'];

/**
 * A connection to one QEMU's monitor.
 *
 *   QEMU                                    client
 *    | greeting {"QMP": ...} ---------------> |  connecting -> negotiating
 *    | <---------------- qmp_capabilities     |
 *    | {"return": {}} ----------------------> |  negotiating -> ready
 *    | <---------------- command with an id   |  at most 8 in flight, the rest wait here
 *    | return or error with that id --------> |  (some early errors have no id)
 *    | event -------------------------------> |  at any time
 *    | end of file -------------------------> |  closed; after `quit` that is success
 *
 * Source: docs/interop/qmp-spec.rst of QEMU 10.0.
 */
export class QmpClient {
  readonly #name: string;
  readonly #stream: Duplex;
  readonly #timeoutMs: number;
  readonly #lines: LineSplitter;
  readonly #requests = new RequestQueue();
  readonly #emitter = new EventEmitter<{ event: [QmpEvent]; changed: [] }>();
  #state: QmpState = INITIAL_STATE;
  #nextId = 1;
  #quitSent = false;

  /**
   * Connects to a monitor's unix socket and negotiates.
   *
   * @throws QmpClosedError when nothing listens or QEMU hangs up; QmpTimeoutError when it does not greet
   * (another client holds the monitor, or QEMU is blocked); QmpProtocolError when it is no monitor.
   */
  static async connect(path: string, options: QmpOptions = {}): Promise<QmpClient> {
    const client = new QmpClient(createConnection(path), path, options);
    await client.negotiate();
    return client;
  }

  /** For a monitor that is reached otherwise than by a socket. {@link negotiate} comes next. */
  constructor(stream: Duplex, name: string, options: QmpOptions = {}) {
    this.#name = name;
    this.#stream = stream;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#lines = new LineSplitter(options.maxLineCharacters);
    // A monitor may have any number of watchers; Node's warning about more than ten is for leaks.
    this.#emitter.setMaxListeners(0);
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('error', (error) => this.#close({ kind: 'ended', cause: error }));
    stream.on('end', () => this.#close({ kind: 'ended' }));
    stream.on('close', () => this.#close({ kind: 'ended' }));
  }

  get state(): QmpState {
    return this.#state;
  }

  /** Waits for the greeting and accepts QEMU's capabilities; the connection is ready afterwards. */
  async negotiate(): Promise<QmpGreeting> {
    try {
      const greeting = await this.#greeted();
      await this.#send('qmp_capabilities', {}, this.#timeoutMs);
      this.#change({ kind: 'negotiated' });
      return greeting;
    } catch (error) {
      this.#close({ kind: 'closed-by-us' });
      throw error;
    }
  }

  /**
   * Sends a command and waits for its answer. What is returned is as QEMU sent it: check it before use
   * (replies.ts). `quit` succeeds also when QEMU ends without an answer.
   *
   * @throws QmpCommandError, QmpTimeoutError, QmpClosedError; QmpIllegalTransitionError before `ready`.
   */
  async execute<C extends keyof QmpCommands>(
    command: C,
    args?: Arguments<C>,
    options: { timeoutMs?: number } = {},
  ): Promise<Return<C>> {
    const { kind } = this.#state;
    if (kind !== 'ready' && kind !== 'closed') throw new QmpIllegalTransitionError(kind, 'executing');
    return (await this.#send(command, args ?? {}, options.timeoutMs ?? this.#timeoutMs)) as Return<C>;
  }

  /** Calls `listener` for every event from now on; returns the function that ends it. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#emitter.on('event', listener);
    return () => this.#emitter.off('event', listener);
  }

  /** Events from this call on, in order; ends with the connection, throws AbortError when `signal` fires. */
  events(signal?: AbortSignal): AsyncGenerator<QmpEvent, void> {
    const ended = new AbortController();
    void this.closed.then(() => ended.abort());
    const both = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
    // Listening begins here, not at the first `next`: nothing may be missed in between.
    const source = on(this.#emitter, 'event', { signal: both });
    return untilEnded(source, () => ended.signal.aborted && signal?.aborted !== true);
  }

  /** Resolves when the connection has closed, with the reason; never rejects. */
  get closed(): Promise<QmpCloseReason> {
    return this.#until((state) => (state.kind === 'closed' ? state.reason : undefined));
  }

  /** Lets go of the monitor; QEMU runs on. Commands under way are rejected. */
  close(): void {
    this.#close({ kind: 'closed-by-us' });
  }

  async #greeted(): Promise<QmpGreeting> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new QmpTimeoutError(`${this.#name} sent no QMP greeting within ${this.#timeoutMs} ms.`));
      }, this.#timeoutMs);
    });
    const greeted = this.#until((state) => {
      if (state.kind === 'closed') return { error: this.#closedError('the greeting', state.reason) };
      return state.kind === 'connecting' ? undefined : { greeting: state.greeting };
    });
    try {
      const result = await Promise.race([greeted, late]);
      if ('error' in result) throw result.error;
      return result.greeting;
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(command: string, args: object, timeoutMs: number): Promise<unknown> {
    if (this.#state.kind === 'closed') throw this.#closedError(command, this.#state.reason);
    const id = String(this.#nextId++);
    const line = `${JSON.stringify({ execute: command, arguments: args, id })}\r\n`;
    return new Promise((resolve, reject) => {
      const settle = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      };
      const entry: QmpRequestEntry = { id, command, line, resolve: settle(resolve), reject: settle(reject) };
      const timer = setTimeout(() => {
        this.#requests.withdraw(entry);
        reject(new QmpTimeoutError(`${this.#name} did not answer ${command} within ${timeoutMs} ms.`));
      }, timeoutMs);
      this.#requests.add(entry);
      this.#pump();
    });
  }

  #pump(): void {
    for (let entry = this.#requests.takeNext(); entry !== undefined; entry = this.#requests.takeNext()) {
      if (entry.command === 'quit') this.#quitSent = true;
      this.#stream.write(entry.line);
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#state.kind === 'closed') return;
    try {
      for (const line of this.#lines.push(chunk)) this.#handle(parseMessage(line));
    } catch (error) {
      this.#close({ kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  #handle(message: QmpMessage): void {
    switch (message.kind) {
      case 'greeting':
        this.#change({ kind: 'greeting', greeting: message.greeting });
        break;
      case 'return':
        this.#requests.settle(message.id)?.resolve(message.value);
        break;
      case 'error': {
        const entry = this.#requests.settle(message.id);
        entry?.reject(new QmpCommandError(entry.command, message.class, message.desc));
        break;
      }
      case 'event':
        this.#emitter.emit('event', toEvent(message.name, message.data, message.atMs));
        break;
    }
    this.#pump();
  }

  #close(why: QmpCloseReason): void {
    if (this.#state.kind === 'closed') return;
    const reason: QmpCloseReason = why.kind === 'ended' && this.#quitSent ? { kind: 'quit' } : why;
    this.#change({ kind: 'close', reason });
    this.#stream.destroy();
    for (const entry of this.#requests.drain()) {
      if (reason.kind === 'quit' && entry.command === 'quit') entry.resolve({});
      else entry.reject(this.#closedError(entry.command, reason));
    }
  }

  #change(input: QmpInput): void {
    this.#state = transition(this.#state, input);
    this.#emitter.emit('changed');
  }

  #until<T>(pick: (state: QmpState) => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = () => {
        const value = pick(this.#state);
        if (value === undefined) return;
        this.#emitter.off('changed', look);
        resolve(value);
      };
      this.#emitter.on('changed', look);
      look();
    });
  }

  #closedError(command: string, reason: QmpCloseReason): Error {
    switch (reason.kind) {
      case 'failed':
        return reason.error;
      case 'quit':
        return new QmpClosedError(`${this.#name}: QEMU has been ended; ${command} was not executed.`);
      case 'closed-by-us':
        return new QmpClosedError(`${this.#name} was closed before ${command} was answered.`);
      case 'ended':
        return new QmpClosedError(
          `${this.#name}: there is no QEMU, or it ended, before ${command} was answered.`,
          { cause: reason.cause },
        );
    }
  }
}

async function* untilEnded(
  source: AsyncIterable<unknown[]>,
  ended: () => boolean,
): AsyncGenerator<QmpEvent, void> {
  try {
    for await (const [event] of source) yield event as QmpEvent;
  } catch (error) {
    if (!ended()) throw error;
  }
}
