import { vmPaths } from '@exuvia/contract';
import { expect } from 'vitest';
import { labProbe } from '../../src/guests/program.ts';
import { GUEST_FILES } from '../../src/guests/specs.ts';
import { labCopy, labRun } from '../../src/host/ssh.ts';
import type { LabState } from '../../src/host/state.ts';

/** native/lab-probe on the lab host. */
export const PROBE = `${GUEST_FILES}/probe`;
const LIMIT_MS = 240_000;
/** Less than any pause of an update takes in the lab, more than two clocks differ by from one test to the next. */
const TOLERANCE_MS = 100;
const TRIES = 10;

export async function putProbe(lab: LabState): Promise<void> {
  await labCopy(lab, (await labProbe()).path, PROBE);
  await labRun(lab, `chmod 755 ${PROBE}`);
}

/** By how much a guest's wall clock is behind the host's, in ms, read from its memory. */
export async function clockBehindMs(lab: LabState, name: string): Promise<number> {
  const { stdout } = await labRun(lab, `${PROBE} clock ${vmPaths(name).ram}`, { timeoutMs: LIMIT_MS });
  return Number(stdout) / 1000;
}

/**
 * Asserts that a guest without an agent has not been paused since its clock was `before` behind: a guest's clock stands while
 * QEMU has stopped it, and for no other reason, however seldom it gets a processor. Nothing makes up for that, so that
 * a measurement which came late is simply made again. Returns what is to be compared with the next time.
 */
export async function expectNeverPaused(lab: LabState, name: string, before: number): Promise<number> {
  let behind = await clockBehindMs(lab, name);
  for (let tries = 1; tries < TRIES && behind - before > TOLERANCE_MS; tries++) {
    behind = await clockBehindMs(lab, name);
  }
  expect(behind - before, `for how many ms ${name} was paused`).toBeLessThanOrEqual(TOLERANCE_MS);
  return behind;
}
