import { ExuviaError } from '@exuvia/contract';

/** The most that a timer of Node takes. */
const MAX_TIMER_SECONDS = 2_147_483;

/** `--timeout SECONDS` in milliseconds. @throws ExuviaError `usage`. */
export function timeoutMsOf(text: string, maxSeconds = MAX_TIMER_SECONDS): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= maxSeconds) return Math.round(seconds * 1000);
  throw new ExuviaError('usage', `--timeout '${text}' is not a number of seconds from 0 to ${maxSeconds}.`);
}
