import { StringDecoder } from 'node:string_decoder';
import { QmpProtocolError } from '../errors.ts';

/** query-qmp-schema of QEMU 11 is 250 KiB; nothing longer is sent. */
const MAX_LINE_CHARACTERS = 8 * 1024 * 1024;

/** Cuts a stream of bytes into lines, keeping what is incomplete. Lines end in LF, with or without CR. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #limit: number;
  #parts: string[] = [];
  #length = 0;

  constructor(limit: number = MAX_LINE_CHARACTERS) {
    this.#limit = limit;
  }

  /**
   * Takes the next bytes; returns the lines that they complete, without empty ones.
   *
   * @throws QmpProtocolError when a line exceeds the limit.
   */
  push(chunk: Buffer): string[] {
    const [first = '', ...rest] = this.#decoder.write(chunk).split('\n');
    this.#append(first);
    const lines: string[] = [];
    for (const part of rest) {
      lines.push(this.#parts.join(''));
      this.#parts = [];
      this.#length = 0;
      this.#append(part);
    }
    return lines.map((line) => line.replace(/\r$/, '')).filter((line) => line.trim() !== '');
  }

  #append(part: string): void {
    this.#length += part.length;
    if (this.#length > this.#limit) {
      throw new QmpProtocolError(`The monitor sent a line of more than ${this.#limit} characters.`);
    }
    if (part !== '') this.#parts.push(part);
  }
}
