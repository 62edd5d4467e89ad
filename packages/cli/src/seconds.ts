import { ExuviaError } from '@exuvia/contract';

/** The most that the agent takes. */
const MAX_SECONDS = 3600;

/** `--timeout SECONDS` in milliseconds. @throws ExuviaError `usage`. */
export function timeoutMsOf(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= MAX_SECONDS) return Math.round(seconds * 1000);
  throw new ExuviaError('usage', `--timeout '${text}' is not a number of seconds from 0 to ${MAX_SECONDS}.`);
}
