import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import { z } from 'zod';

/** What a conversation may cost: the other side is the guest, which may be anybody. */
const MAX_REPLY_BYTES = 64 * 1024;
/** qemu-guest-agent says this byte before its answer to `guest-sync-delimited`: everything before it is of old times. */
const DELIMITER = 0xff;

const replySchema = z.union([
  z.object({ return: z.unknown() }),
  z.object({ error: z.object({ desc: z.string().max(1000) }) }),
]);

/**
 * A conversation with qemu-guest-agent in a guest (docs/interop/qemu-ga.rst of QEMU 10.0).
 *
 *     host                                          guest
 *     0xff guest-sync-delimited id         ->
 *                                          <-       (rests of earlier conversations) 0xff {"return": id}
 *     {"execute": ...}                     ->
 *                                          <-       {"return": ...} or {"error": ...}
 */
export class GuestAgent {
  readonly #socket: Socket;
  /** Of the whole conversation: a guest that answers slowly, again and again, costs no more. */
  readonly #deadline: number;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  /** When the first byte came since the last question (performance.now()). */
  #answeredAt: number | null = null;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#deadline = performance.now() + timeoutMs;
    socket.on('data', (chunk) => {
      this.#answeredAt ??= performance.now();
      this.#received = Buffer.concat([this.#received, chunk]);
      // Nobody reads so much: a guest that floods its host is cut off.
      if (this.#received.length > MAX_REPLY_BYTES) socket.destroy();
      this.#wake();
    });
    socket.on('close', () => this.#wake());
    socket.on('error', () => {});
  }

  /**
   * @param options.timeoutMs for all that is said and answered.
   * @throws ExuviaError `guest-agent-silent` when no agent answers in time.
   */
  static async connect(path: string, options: { timeoutMs: number }): Promise<GuestAgent> {
    const socket = createConnection(path);
    const agent = new GuestAgent(socket, options.timeoutMs);
    try {
      await once(socket, 'connect');
      await agent.#sync();
      return agent;
    } catch (cause) {
      agent.close();
      if (cause instanceof ExuviaError) throw cause;
      throw new ExuviaError('guest-agent-silent', `${path} cannot be connected to.`, { cause });
    }
  }

  /**
   * The guest's wall clock, ns since 1970 (exact to 256 ns: JSON has no such large integers), and the moments between which
   * it was read (performance.now()).
   *
   * @param headMs how long before its end the question is sent: a guest agent begins when it has the end, and what comes
   *   before it has passed a slow channel by then.
   */
  async getTimeNs(headMs: number): Promise<{ ns: number; sentAt: number; answeredAt: number }> {
    const { answer, ...moments } = await this.#execute('{"execute":"guest-get-time"}', headMs);
    const time = z.number().nonnegative().safeParse(answer);
    if (time.success) return { ns: time.data, ...moments };
    throw silent('It does not say the time.');
  }

  /**
   * An error may mean that the clock is right and only the guest's hardware clock could not be set (no hwclock there).
   *
   * @param headMs see {@link getTimeNs}.
   */
  async setTimeNs(ns: bigint, headMs: number): Promise<void> {
    await this.#execute(`{"execute":"guest-set-time","arguments":{"time":${ns}}}`, headMs);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #sync(): Promise<void> {
    const id = Math.floor(Math.random() * 2 ** 31);
    this.#socket.write(Buffer.of(DELIMITER));
    this.#socket.write(`{"execute":"guest-sync-delimited","arguments":{"id":${id}}}\n`);
    await this.#until(() => this.#received.includes(DELIMITER));
    this.#received = this.#received.subarray(this.#received.lastIndexOf(DELIMITER) + 1);
    if ((await this.#reply()) !== id) throw silent('It answers something else than what it is asked.');
  }

  async #execute(command: string, headMs: number) {
    const head = headMs > 0 ? command.slice(0, -1) : '';
    if (head !== '') {
      this.#socket.write(head);
      await sleep(headMs);
    }
    this.#answeredAt = null;
    const sentAt = performance.now();
    this.#socket.write(`${command.slice(head.length)}\n`);
    const answer = await this.#reply();
    return { answer, sentAt, answeredAt: this.#answeredAt ?? sentAt };
  }

  async #reply(): Promise<unknown> {
    await this.#until(() => this.#received.includes('\n'));
    const end = this.#received.indexOf('\n');
    const line = this.#received.subarray(0, end).toString('utf8');
    this.#received = this.#received.subarray(end + 1);
    const reply = replySchema.safeParse(parseJson(line));
    if (!reply.success) throw silent('What it says is no reply.');
    if ('error' in reply.data) throw new ExuviaError('guest-agent-refused', reply.data.error.desc);
    return reply.data.return;
  }

  async #until(there: () => boolean): Promise<void> {
    while (!there()) {
      const left = this.#deadline - performance.now();
      if (this.#socket.destroyed || left <= 0) throw silent('It does not answer.');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function silent(why: string): ExuviaError {
  return new ExuviaError('guest-agent-silent', `The guest agent cannot be talked to. ${why}`, {
    hint: 'Does qemu-guest-agent run in the guest?',
  });
}
