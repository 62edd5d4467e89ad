import { GuestError } from '../errors.ts';

/** Why a function cannot be diverted: `guest-site-refused`. */
export function refused(message: string, hint?: string): GuestError {
  return new GuestError('guest-site-refused', message, hint === undefined ? {} : { hint });
}
