import { GuestError } from '../errors.ts';

const SHAPE_LETTERS = 60;

/** What was said, without the names, numbers and texts that it was said of. */
function shapeOf(message: string): string {
  return message
    .replaceAll(/"[^"]*"|`[^`]*`|[^ ]*[^ a-zA-Z.,:][^ ]*/g, '#')
    .replaceAll(/(# ?)+/g, '# ')
    .slice(0, SHAPE_LETTERS);
}

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
    this.#seen.add(`${what}: ${error.code} ${shapeOf(error.message)}`);
  }

  note(what: string): void {
    this.#seen.add(what);
  }

  get text(): string {
    return [...this.#seen].sort().join('\n');
  }
}
