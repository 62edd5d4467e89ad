import type { Observation } from '@exuvia/contract';
import { expect } from 'vitest';
import { GUEST_NAMES } from '../../src/guests/specs.ts';
import type { LabState } from '../../src/host/state.ts';
import type { Observer } from '../../src/observer/observer.ts';
import { qemusByVm } from './lab.ts';

const WORK_LIMIT_MS = 120_000;
/** A gap at the very end of the window has no work behind it yet: so often is more waited for. */
const ROUNDS = 10;

/**
 * Asserts that since `from` every guest (or those of `names`) has lived on: the same boot, sequence numbers that only grow, and
 * work verified on both sides of its largest gap without an error.
 */
export async function expectGuestsLivedOn(
  observer: Observer,
  from: number,
  names: readonly string[] = GUEST_NAMES,
): Promise<void> {
  const vms = await verified(observer, from, names);
  expect(
    vms.map(({ name, bootIdSame, sequenceMonotonic, integrity }) => ({
      name,
      bootIdSame,
      sequenceMonotonic,
      integrity,
    })),
  ).toEqual(names.map((name) => ({ name, bootIdSame: true, sequenceMonotonic: true, integrity: 'ok' })));
}

/** Asserts that all of them have lived on, each in one QEMU. */
export async function expectAllLivedOn(lab: LabState, observer: Observer, from: number): Promise<void> {
  expect(await qemusByVm(lab)).toEqual(Object.fromEntries(GUEST_NAMES.map((name) => [name, 1])));
  await expectGuestsLivedOn(observer, from);
}

/** What was seen once every guest has verified work behind its largest gap, or has not for too long. */
async function verified(
  observer: Observer,
  from: number,
  names: readonly string[],
): Promise<Observation['vms']> {
  for (let round = 1; ; round++) {
    await observer.waitForWork(WORK_LIMIT_MS, names);
    const { vms: seen } = await observer.observation(from);
    const vms = seen.filter(({ name }) => names.includes(name));
    if (round === ROUNDS || vms.every(({ integrity }) => integrity !== 'unknown')) return vms;
  }
}
