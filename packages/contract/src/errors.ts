/**
 * Base of every error that Exuvia reports to a user.
 *
 * `code` is stable and safe to match on; `message` says what is wrong and names the file, VM or field;
 * `hint` says what to do about it.
 */
export class ExuviaError extends Error {
  override readonly name: string = 'ExuviaError';
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** The shape in which an error crosses the HTTP API and the `--json` output. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
}

/** Turns anything thrown into an {@link ErrorBody}; never throws. */
export function toErrorBody(thrown: unknown): ErrorBody {
  if (thrown instanceof ExuviaError) {
    const { code, message, hint } = thrown;
    return { error: hint === undefined ? { code, message } : { code, message, hint } };
  }
  return { error: { code: 'internal', message: thrown instanceof Error ? thrown.message : String(thrown) } };
}
