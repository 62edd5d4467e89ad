import { expect } from 'vitest';
import { GUEST_NAMES } from '../../src/guests/specs.ts';
import type { Observer } from '../../src/observer/observer.ts';

const WORK_LIMIT_MS = 120_000;

/**
 * Asserts that since `from` every guest has lived on: the same boot, sequence numbers that only grow, and
 * work verified on both sides of its largest gap without an error.
 */
export async function expectGuestsLivedOn(observer: Observer, from: number): Promise<void> {
  await observer.waitForWork(WORK_LIMIT_MS);
  await observer.waitForWork(WORK_LIMIT_MS);
  const { vms } = await observer.observation(from);
  expect(
    vms.map(({ name, bootIdSame, sequenceMonotonic, integrity }) => ({
      name,
      bootIdSame,
      sequenceMonotonic,
      integrity,
    })),
  ).toEqual(
    GUEST_NAMES.map((name) => ({ name, bootIdSame: true, sequenceMonotonic: true, integrity: 'ok' })),
  );
}
