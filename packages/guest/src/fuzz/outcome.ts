import { GuestError } from '../errors.ts';

/** What a subject did: the kinds of errors that it was refused with, in order, without their numbers. */
export class Outcome {
  readonly #seen = new Set<string>();

  /** Runs one thing that hostile data is read by; anything but a GuestError is a defect and goes on up. */
  attempt<T>(what: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.refuse(what, error);
      return undefined;
    }
  }

  /** Takes note of a refusal; throws what is none. */
  refuse(what: string, error: unknown): void {
    if (!(error instanceof GuestError)) throw error;
    this.#seen.add(`${what}: ${error.code} ${error.message.replaceAll(/0x[0-9a-f]+|[0-9]+/g, '#')}`);
  }

  note(what: string): void {
    this.#seen.add(what);
  }

  get text(): string {
    return [...this.#seen].sort().join('\n');
  }
}
