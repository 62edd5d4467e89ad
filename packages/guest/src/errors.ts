import { ExuviaError } from '@exuvia/contract';

/** Every failure of this package. `code` is stable: `guest-...`. */
export class GuestError extends ExuviaError {}
