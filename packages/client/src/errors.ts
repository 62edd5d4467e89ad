import { type ErrorBody, ExuviaError } from '@exuvia/contract';

/** The agent said no (4xx): nothing was changed. `code`, `message` and `hint` are the agent's own. */
export class Refused extends ExuviaError {
  override readonly name: string = 'Refused';
  readonly status: number;

  constructor(status: number, { error }: ErrorBody) {
    super(error.code, error.message, error.hint === undefined ? {} : { hint: error.hint });
    this.status = status;
  }
}

/** No agent could be reached, or the connection broke. `code` is `agent-unreachable`. */
export class Unreachable extends ExuviaError {
  override readonly name: string = 'Unreachable';

  constructor(where: string, cause: unknown, hint: string) {
    super('agent-unreachable', `The agent at ${where} cannot be reached: ${reasonOf(cause)}.`, {
      cause,
      hint,
    });
  }
}

function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message || cause.name : String(cause);
  return text.split('\n')[0]?.replace(/\.$/, '') ?? 'no reason given';
}
