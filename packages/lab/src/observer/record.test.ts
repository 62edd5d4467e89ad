import type { Heartbeat } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { addBeat, newTrack, observationOf, type Track } from './record.ts';

const BOOT_ID = '0e0f1a2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b';

function beat(sequence: number, change: Partial<Heartbeat> = {}): Heartbeat {
  const none = { monotonicNs: 0n, realtimeNs: 0n, errors: 0n, written: 0n, clockBackwards: 0n };
  const sequenceNumber = BigInt(sequence);
  return {
    name: 'tiny',
    bootId: BOOT_ID,
    sequence: sequenceNumber,
    verified: sequenceNumber,
    ...none,
    ...change,
  };
}

/** A beat a millisecond, and none from 500 to 900 ms. */
function trackWithGap(change: (sequence: number) => Partial<Heartbeat> = () => ({})): Track {
  const track = newTrack('tiny');
  let sequence = 0;
  for (let at = 0; at <= 1500; at++) {
    if (at <= 500 || at >= 900) addBeat(track, at, beat(++sequence, change(sequence)));
  }
  return track;
}

const all = { from: 0, to: 1500 };

test('the blackout is the largest gap between two beats', () => {
  expect(observationOf(trackWithGap(), all)).toMatchObject({
    blackoutMs: 400,
    bootIdSame: true,
    sequenceMonotonic: true,
    integrity: 'ok',
  });
});

test('a gap counts when it only touches the window', () => {
  expect(observationOf(trackWithGap(), { from: 600, to: 1500 }).blackoutMs).toBe(400);
  expect(observationOf(trackWithGap(), { from: 950, to: 1500 }).blackoutMs).toBe(1);
});

test('a guest that does not come back stands still until the end of the window', () => {
  const track = newTrack('tiny');
  addBeat(track, 10, beat(1));
  expect(observationOf(track, { from: 0, to: 2000 })).toMatchObject({
    blackoutMs: 1990,
    integrity: 'unknown',
  });
});

test('a VM that was never seen stood still all the time', () => {
  expect(observationOf(newTrack('tiny'), all)).toMatchObject({
    blackoutMs: 1500,
    bootIdSame: false,
    sequenceMonotonic: false,
    integrity: 'unknown',
    gaps: [],
  });
});

test('another boot id is noticed, and numbers that begin anew', () => {
  const track = trackWithGap();
  addBeat(track, 1501, beat(1, { bootId: BOOT_ID.replace('0e0f', 'ffff') }));
  expect(observationOf(track, { from: 0, to: 1600 })).toMatchObject({
    bootIdSame: false,
    sequenceMonotonic: false,
  });
});

test('one error, before the gap or after it, makes the integrity fail', () => {
  for (const first of [100, 700]) {
    const track = trackWithGap((sequence) => (sequence >= first ? { errors: 1n } : {}));
    expect(observationOf(track, all).integrity).toBe('failed');
  }
});

test('a clock of the guest that went back makes the integrity fail', () => {
  const track = trackWithGap((sequence) => (sequence > 800 ? { clockBackwards: 1n } : {}));
  expect(observationOf(track, all).integrity).toBe('failed');
});

test('a guest that verifies nothing after the gap is not called whole', () => {
  const track = trackWithGap((sequence) => ({ verified: BigInt(Math.min(sequence, 400)) }));
  expect(observationOf(track, all).integrity).toBe('unknown');
});

test('gaps are thinned, the largest of each part stays', () => {
  const track = newTrack('tiny');
  for (let sequence = 0; sequence < 10_000; sequence++) addBeat(track, sequence * 2, beat(sequence));
  addBeat(track, 20_500, beat(10_000));
  const { gaps } = observationOf(track, { from: 0, to: 20_500 });
  expect(gaps.length).toBeLessThanOrEqual(1001);
  expect(gaps.at(-1)).toEqual([19_998, 502]);
});
