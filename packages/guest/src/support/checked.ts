import { GuestError } from '../errors.ts';

/** What Node's buffers throw for a place that lies outside of them. */
const OUTSIDE: readonly unknown[] = ['ERR_OUT_OF_RANGE', 'ERR_BUFFER_OUT_OF_BOUNDS', 'ERR_BUFFER_TOO_LARGE'];

/**
 * Runs what reads structures of a guest at places that its type information gives. A place outside of the
 * structure is found by the buffer that the structure was read into; it is a lie of the guest, not a defect.
 *
 * @throws GuestError `guest-btf` for such a place, and everything else that `work` throws.
 */
export function checked<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof RangeError) || !OUTSIDE.includes((cause as NodeJS.ErrnoException).code))
      throw cause;
    throw new GuestError(
      'guest-btf',
      "The guest's type information puts a member outside of its own structure.",
      {
        hint: 'The guest is damaged, or lies.',
        cause,
      },
    );
  }
}
