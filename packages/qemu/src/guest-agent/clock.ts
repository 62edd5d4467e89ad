import { ExuviaError } from '@exuvia/contract';
import { GuestAgent } from './client.ts';

/** By how much a guest's wall clock differs from the host's, as its guest agent says. */
export interface GuestClock {
  /** Positive: the guest is ahead. */
  readonly offsetMs: number;
  /** The truth is within so many ms: half of the way there and back. */
  readonly uncertaintyMs: number;
}

const PROBES = 8;
const ROUNDS = 4;
/** Better than that is not tried for. */
const GOOD_ENOUGH_MS = 1;
/** A clock that is so near was set, whatever the guest agent says. */
const SET_MS = 10;
/** While it is not so near, and half of the time is left, more rounds follow: a busy host delays each by another while. */
const NEAR_MS = SET_MS / 2;
const LONGEST_HEAD_MS = 100;

/**
 * Sets a guest's wall clock to the host's through its guest agent, and says how well. What is asked takes a while to reach
 * the guest, on a busy host another while each time: each round is ahead by the median of what the rounds before it
 * needed. On a slow channel (an emulated serial port takes every byte for itself) all but the end of a question is sent
 * ahead.
 *
 * @throws ExuviaError `guest-agent-silent`, `guest-agent-refused`.
 */
export async function setGuestClock(socket: string, options: { timeoutMs: number }): Promise<GuestClock> {
  const agent = await GuestAgent.connect(socket, options);
  try {
    let clock = await offsetOf(agent, 0);
    const slow = clock.uncertaintyMs > GOOD_ENOUGH_MS;
    const headMs = slow ? Math.min(2 * clock.uncertaintyMs, LONGEST_HEAD_MS) : 0;
    if (slow) clock = await offsetOf(agent, headMs);
    const before = clock;
    const enough = performance.now() + options.timeoutMs / 2;
    let aheadMs = clock.uncertaintyMs;
    const needed: number[] = [];
    for (let round = 0; !isRight(clock, round) && performance.now() < enough; round++) {
      const refusal = await attempt(agent, aheadMs, headMs);
      clock = await offsetOf(agent, headMs);
      if (refusal !== null && isStillOff(clock, before)) throw refusal;
      needed.push(aheadMs - clock.offsetMs);
      aheadMs = medianOf(needed);
    }
    return clock;
  } finally {
    agent.close();
  }
}

function isRight({ offsetMs }: GuestClock, round: number): boolean {
  return Math.abs(offsetMs) <= (round < ROUNDS ? GOOD_ENOUGH_MS : NEAR_MS);
}

/** A guest agent refuses as well when only the guest's hardware clock could not be set: then the clock has moved. */
function isStillOff(clock: GuestClock, before: GuestClock): boolean {
  const isOff = Math.abs(clock.offsetMs) > SET_MS + clock.uncertaintyMs;
  const moved = Math.abs(clock.offsetMs - before.offsetMs);
  return isOff && moved <= SET_MS + clock.uncertaintyMs + before.uncertaintyMs;
}

async function attempt(agent: GuestAgent, aheadMs: number, headMs: number): Promise<ExuviaError | null> {
  try {
    await agent.setTimeNs(BigInt(Math.round((nowMs() + headMs + aheadMs) * 1000)) * 1000n, headMs);
    return null;
  } catch (error) {
    if (error instanceof ExuviaError && error.code === 'guest-agent-refused') return error;
    throw error;
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

/**
 * That of some questions which was answered soonest, or the first that was answered soon enough, or that says that the clock is
 * far off: the next round is worth more than to know that exactly.
 */
async function offsetOf(agent: GuestAgent, headMs: number): Promise<GuestClock> {
  let best: GuestClock | null = null;
  for (let probe = 0; probe < PROBES && (best?.uncertaintyMs ?? Infinity) > GOOD_ENOUGH_MS; probe++) {
    const { ns, sentAt, answeredAt } = await agent.getTimeNs(headMs);
    const uncertaintyMs = (answeredAt - sentAt) / 2;
    if (best === null || uncertaintyMs < best.uncertaintyMs) {
      const hostMs = nowMs() - performance.now() + sentAt + uncertaintyMs;
      best = { offsetMs: ns / 1e6 - hostMs, uncertaintyMs };
    }
    if (probe > 0 && Math.abs(best.offsetMs) > 2 * (SET_MS + best.uncertaintyMs)) break;
  }
  if (best === null) throw new ExuviaError('internal', 'Nobody was asked.');
  return best;
}

/** The host's wall clock now; Date.now() alone has whole milliseconds. */
function nowMs(): number {
  const whole = Date.now();
  const fine = performance.timeOrigin + performance.now();
  // Since this process started the clock may have been set; the rest of it counts on.
  return Math.abs(fine - whole) < 2 ? fine : whole + 0.5;
}
