import type { Socket } from 'node:net';

const LINE = 51;
const PERIOD_MS = 5;
const NUMBERS = /^([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16})\n$/;

/** One connection to a guest, as seen from outside. */
export interface ConversationState {
  readonly sent: number;
  readonly received: number;
  /** Lines that were not the next one: lost, repeated, or damaged. */
  readonly wrong: number;
  /** What the guest says that it has received, and of it wrong. */
  readonly heard: number;
  readonly misheard: number;
  /** Why the connection is no longer open; `null` while it is. */
  readonly end: string | null;
}

/** Speaks with a guest without a pause as native/guest/lan.h has it: numbered lines both ways, each checked. */
export class Conversation {
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  readonly #closed: Promise<void>;
  #text = '';
  #state: ConversationState = { sent: 0, received: 0, wrong: 0, heard: 0, misheard: 0, end: null };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: Buffer | string) => this.#listen(String(text)));
    socket.on('error', (error) => this.#end(error.message));
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#end('closed');
        resolve();
      });
    });
    this.#timer = setInterval(() => this.#say(), PERIOD_MS);
  }

  get state(): ConversationState {
    return this.#state;
  }

  /** Says no more, and waits for the guest's last line. */
  async finish(): Promise<ConversationState> {
    clearInterval(this.#timer);
    this.#socket.end();
    await this.#closed;
    return this.#state;
  }

  #say(): void {
    if (this.#state.end !== null || this.#socket.writableNeedDrain) return;
    const { sent, received, wrong } = this.#state;
    const numbers = [sent, received, wrong].map((number) => number.toString(16).padStart(16, '0'));
    this.#state = { ...this.#state, sent: sent + 1 };
    this.#socket.write(`${numbers.join(' ')}\n`);
  }

  #listen(text: string): void {
    this.#text += text;
    for (; this.#text.length >= LINE; this.#text = this.#text.slice(LINE)) {
      const numbers = NUMBERS.exec(this.#text.slice(0, LINE))
        ?.slice(1)
        .map((word) => Number.parseInt(word, 16));
      const [number, heard, misheard] = numbers ?? [];
      const { received, wrong } = this.#state;
      this.#state = {
        ...this.#state,
        received: received + 1,
        wrong: number === received ? wrong : wrong + 1,
        heard: heard ?? this.#state.heard,
        misheard: misheard ?? this.#state.misheard,
      };
    }
  }

  #end(reason: string): void {
    clearInterval(this.#timer);
    this.#state = { ...this.#state, end: this.#state.end ?? reason };
  }
}
