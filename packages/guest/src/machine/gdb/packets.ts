import { GuestError } from '../../errors.ts';

/**
 * QEMU's gdbstub reads so much of a connection at once. What is sent together and is not longer is carried
 * out as a whole or not at all, also when we are killed directly after sending it (QEMU 10.0,
 * chardev/char-socket.c: CHR_READ_BUF_LEN; what has been read is handled byte by byte before the hang-up is).
 */
export const ATOMIC_BYTES = 4096;

/** Interrupts a machine that runs: the remote protocol's Ctrl-C. One that stands ignores it. */
export const INTERRUPT = '\x03';

/** Acknowledges the answers so far. */
export const ACKNOWLEDGE = '+';

/** Puts a payload of plain characters into a packet: `$payload#checksum`. */
export function packet(payload: string): string {
  let sum = 0;
  for (let at = 0; at < payload.length; at++) sum = (sum + payload.charCodeAt(at)) & 0xff;
  return `$${payload}#${sum.toString(16).padStart(2, '0')}`;
}

/** Reads guest memory; which addresses, says the mode that the stub is in. */
export function readPacket(address: number, length: number): string {
  return packet(`m${address.toString(16)},${length.toString(16)}`);
}

/** Writes guest memory. */
export function writePacket(address: number, bytes: Uint8Array): string {
  return packet(
    `M${address.toString(16)},${bytes.length.toString(16)}:${Buffer.from(bytes).toString('hex')}`,
  );
}

/** Longer than any packet that QEMU sends (its PacketSize is 4096; hex and escapes double it). */
const MAX_PENDING = 1 << 20;

/** Takes packets out of a stream; acknowledgements (`+`) are passed over. */
export class PacketReader {
  #pending = '';

  /** @throws GuestError `guest-gdb-protocol` for a damaged packet or something that is none. */
  push(chunk: string): string[] {
    this.#pending += chunk;
    const found: string[] = [];
    for (;;) {
      const start = this.#pending.search(/[^+]/);
      if (start < 0) {
        this.#pending = '';
        return found;
      }
      if (this.#pending[start] !== '$') throw damaged(this.#pending.slice(start, start + 20));
      const end = this.#pending.indexOf('#', start);
      if (end < 0 || this.#pending.length < end + 3) {
        if (this.#pending.length > MAX_PENDING) throw damaged(this.#pending.slice(start, start + 20));
        this.#pending = this.#pending.slice(start);
        return found;
      }
      const whole = this.#pending.slice(start, end + 3);
      const payload = whole.slice(1, -3);
      if (packet(payload).slice(-2) !== whole.slice(-2).toLowerCase()) throw damaged(whole);
      found.push(payload);
      this.#pending = this.#pending.slice(end + 3);
    }
  }
}

function damaged(text: string): GuestError {
  return new GuestError(
    'guest-gdb-protocol',
    `QEMU's gdbstub sent ${JSON.stringify(text)}, which is no packet.`,
  );
}

/** True for a stop reply (`T02thread:01;`), which comes when the machine has been stopped. */
export function isStopReply(payload: string): boolean {
  return /^[TS][0-9a-f]{2}/.test(payload);
}
