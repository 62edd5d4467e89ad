import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { GuestError } from '../../errors.ts';
import { isStopReply, PacketReader } from './packets.ts';

export type GdbAddress = { readonly path: string } | { readonly host: string; readonly port: number };

const ANSWER_MS = 10_000;
const RECEIVE_BYTES = 1 << 16;

/**
 * A connection to QEMU's gdbstub, in the remote protocol with acknowledgements, which QEMU 10.0 cannot go
 * without. It has three traps:
 *
 * - connecting stops the VM; what is to happen then must be sent in the same moment;
 * - any byte that arrives while the VM runs stops it, an acknowledgement too, and nothing but an interrupt
 *   is also understood then;
 * - as long as an answer is unacknowledged, the next byte counts as acknowledgement and is otherwise
 *   dropped, an interrupt too. A packet acknowledges the answers before it. So a script that lets the VM go
 *   on ends with the packet that does, one that does not ends with a `+`, and a stop that somebody else
 *   caused (QMP `stop`), which the stub tells unasked, is acknowledged at once.
 */
export class GdbConnection {
  readonly #socket: Socket;
  readonly #reader = new PacketReader();
  #waiting: Waiting | null = null;
  #failure: Error | null = null;
  /** Called when somebody else stops the VM. */
  onForeignStop: () => void = () => undefined;

  /**
   * Connects and sends `first` with the connection, so that the stop it causes lasts no longer than needed.
   *
   * @throws GuestError `guest-gdb-unreachable`.
   */
  static async open(address: GdbAddress, first: string): Promise<GdbConnection> {
    const socket = createConnection({
      ...address,
      // Unlike events of data this lets reading stop at once.
      onread: {
        buffer: Buffer.alloc(RECEIVE_BYTES),
        callback: (bytes, buffer) => {
          connection.#receive(Buffer.from(buffer.buffer, buffer.byteOffset, bytes).toString('latin1'));
          return true;
        },
      },
    });
    socket.setNoDelay();
    const connection = new GdbConnection(socket);
    socket.write(first, 'latin1');
    try {
      await once(socket, 'connect');
    } catch (cause) {
      throw new GuestError(
        'guest-gdb-unreachable',
        `QEMU's gdbstub cannot be reached at ${'path' in address ? address.path : `${address.host}:${address.port}`}.`,
        { cause },
      );
    }
    return connection;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new GuestError('guest-gdb-closed', "QEMU's gdbstub hung up.")));
  }

  /**
   * Sends some packets at once and returns the answers to them, `answers` of them. A stop reply is no
   * answer: `stopped` says whether one came.
   *
   * @throws GuestError `guest-gdb-timeout` when they do not come within ten seconds, `guest-gdb-closed`,
   * `guest-gdb-protocol`.
   */
  exchange(text: string, answers: number): Promise<Exchange> {
    const exchange = this.expect(answers);
    this.#socket.write(text, 'latin1');
    return exchange;
  }

  /** Waits for answers to what {@link open} sent. */
  expect(answers: number): Promise<Exchange> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#waiting !== null) throw new Error('Two exchanges with a gdbstub at once.');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#end(timeout());
        this.#socket.destroy();
      }, ANSWER_MS);
      const waiting: Waiting = { want: answers, got: [], stopped: false, timer, resolve, reject };
      this.#waiting = waiting;
      this.#settle(waiting);
    });
  }

  /** Sends what stops the VM and lets it go on, and waits until the stop was told. */
  interrupted(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(timeout()), ANSWER_MS);
      this.#waiting = {
        ...{ want: Number.POSITIVE_INFINITY, got: [], timer, reject },
        stopped: false,
        resolve: () => resolve(),
        endsWithStop: true,
      };
      this.#socket.write(text, 'latin1');
    });
  }

  /** Sends what has no answer. */
  send(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  /** Leaves the conversation to `work`, which shares the connection: nothing is read here meanwhile. */
  async lend<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    this.#socket.pause();
    try {
      return await work();
    } finally {
      this.#socket.resume();
      // It begins to read again in a later turn: a `pause` before that would be undone by it.
      await immediate();
    }
  }

  /** The connection itself, for a program to inherit. Starting one ends the reading: {@link lend}. */
  get socket(): Socket {
    return this.#socket;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    try {
      for (const payload of this.#reader.push(chunk)) this.#take(payload);
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
      this.#socket.destroy();
    }
  }

  #take(payload: string): void {
    const waiting = this.#waiting;
    if (waiting === null) {
      if (!isStopReply(payload)) return;
      this.#socket.write('+', 'latin1');
      this.onForeignStop();
    } else if (isStopReply(payload)) {
      waiting.stopped = true;
      if (waiting.endsWithStop === true) this.#finish(waiting);
    } else {
      waiting.got.push(payload);
      this.#settle(waiting);
    }
  }

  #settle(waiting: Waiting): void {
    if (waiting.got.length >= waiting.want) this.#finish(waiting);
  }

  #finish(waiting: Waiting): void {
    this.#waiting = null;
    clearTimeout(waiting.timer);
    waiting.resolve({ answers: waiting.got, stopped: waiting.stopped });
  }

  #end(error: Error): void {
    this.#failure ??= error;
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    clearTimeout(waiting.timer);
    waiting.reject(this.#failure);
  }
}

export interface Exchange {
  readonly answers: readonly string[];
  /** A stop reply came before the last answer: the VM ran, and stands now. */
  readonly stopped: boolean;
}

interface Waiting {
  readonly want: number;
  readonly got: string[];
  stopped: boolean;
  /** The stop reply is all that is waited for. */
  readonly endsWithStop?: boolean;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (exchange: Exchange) => void;
  readonly reject: (error: Error) => void;
}

function timeout(): GuestError {
  return new GuestError('guest-gdb-timeout', `QEMU's gdbstub did not answer within ${ANSWER_MS / 1000} s.`);
}
