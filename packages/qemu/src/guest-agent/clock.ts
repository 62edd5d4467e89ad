import { ExuviaError } from '@exuvia/contract';
import { GuestAgent } from './client.ts';

/** By how much a guest's wall clock differs from the host's, as its guest agent says. */
export interface GuestClock {
  /** Positive: the guest is ahead. */
  readonly offsetMs: number;
  /** The truth is within so many ms: half of the way there and back. */
  readonly uncertaintyMs: number;
}

const PROBES = 16;
const ROUNDS = 4;
/** Better than that is not tried for. */
const GOOD_ENOUGH_MS = 1;
/** A clock that is so near was set, whatever the guest agent says. */
const SET_MS = 10;

/**
 * Sets a guest's wall clock to the host's through its guest agent, and says how well. What is asked takes a while to reach
 * the guest: what is missing after a round is added in the next one.
 *
 * @throws ExuviaError `guest-agent-silent`, `guest-agent-refused`.
 */
export async function setGuestClock(socket: string, options: { timeoutMs: number }): Promise<GuestClock> {
  const agent = await GuestAgent.connect(socket, options);
  try {
    let clock = await offsetOf(agent);
    let aheadMs = clock.uncertaintyMs;
    let refusal: ExuviaError | null = null;
    for (let round = 0; round < ROUNDS && Math.abs(clock.offsetMs) > GOOD_ENOUGH_MS; round++) {
      if (round > 0) aheadMs -= clock.offsetMs;
      refusal = await attempt(agent, aheadMs);
      clock = await offsetOf(agent);
    }
    // It refuses as well when only the guest's hardware clock could not be set.
    if (refusal !== null && Math.abs(clock.offsetMs) > SET_MS + clock.uncertaintyMs) throw refusal;
    return clock;
  } finally {
    agent.close();
  }
}

async function attempt(agent: GuestAgent, aheadMs: number): Promise<ExuviaError | null> {
  try {
    await agent.setTimeNs(BigInt(Math.round((nowMs() + aheadMs) * 1000)) * 1000n);
    return null;
  } catch (error) {
    if (error instanceof ExuviaError && error.code === 'guest-agent-refused') return error;
    throw error;
  }
}

/** That of some questions which was answered soonest, or the first that was answered soon enough. */
async function offsetOf(agent: GuestAgent): Promise<GuestClock> {
  let best: GuestClock | null = null;
  for (let probe = 0; probe < PROBES && (best?.uncertaintyMs ?? Infinity) > GOOD_ENOUGH_MS; probe++) {
    const asked = nowMs();
    const guestMs = (await agent.getTimeNs()) / 1e6;
    const halfWay = (nowMs() - asked) / 2;
    if (best === null || halfWay < best.uncertaintyMs) {
      best = { offsetMs: guestMs - (asked + halfWay), uncertaintyMs: halfWay };
    }
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
