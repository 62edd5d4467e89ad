import { expect, test } from 'vitest';
import { parseStamps, tscKhz } from '../shared/stamp-lines.ts';
import { computeTimings } from './stamps.ts';

/** Ticks of a TSC that runs at 1 kHz: one tick is one millisecond. */
const OLD_SIDE = `clock 900 0
stamp begin - 1000
stamp vm-stop-event a 1004
stamp vm-stop-event b 1006
stamp suspend-vms - 1010
stamp vm-saved a 1080
stamp vm-saved b 1100
stamp save-vms - 1110
stamp seal-state - 1120
stamp sync-file-systems - 1130
stamp commit - 1140
clock 1141 241000000
stamp jump - 1150


`;

const NEW_SIDE = `clock 4150 2000000000
kernel-ns 2000000000
stamp init-start - 4150
stamp module /modules/kvm.ko 4400
stamp qemu-exec a 5150
stamp qemu-exec b 5160
stamp qemu-ready b 5600
stamp qemu-ready a 5650
stamp restored a 5800
stamp resumed a 5810
vm a restored 120
stamp restored b 5900
stamp resumed b 5950
vm b failed its saved state is damaged: not loaded
a line of a later version
`;

test('the ten phases follow one another without a gap', () => {
  const { phases, totalMs } = computeTimings(parseStamps(OLD_SIDE), parseStamps(NEW_SIDE), 1);
  expect(phases).toEqual([
    { name: 'VM suspend', ms: 10 },
    { name: 'VM save', ms: 100 },
    { name: 'QEMU shutdown', ms: 10 },
    { name: 'userland shutdown', ms: 30 },
    { name: 'kernel shutdown', ms: 1000 },
    { name: 'kernel startup', ms: 2000 },
    { name: 'userland startup', ms: 1000 },
    { name: 'QEMU startup', ms: 500 },
    { name: 'VM restore', ms: 250 },
    { name: 'VM resume', ms: 50 },
  ]);
  expect(totalMs).toBe(4946);
});

test('each VM has its own times beside those of the host', () => {
  const { perVm, pausedMs } = computeTimings(parseStamps(OLD_SIDE), parseStamps(NEW_SIDE), 1);
  expect(perVm.get('b')).toEqual([
    { name: 'VM suspend', ms: 6 },
    { name: 'VM save', ms: 90 },
    { name: 'QEMU startup', ms: 440 },
    { name: 'VM restore', ms: 300 },
    { name: 'VM resume', ms: 50 },
  ]);
  expect(Object.fromEntries(pausedMs)).toEqual({ a: 4806, b: 4944 });
});

test('the fate of every VM is read, a failure with its reason', () => {
  expect(Object.fromEntries(parseStamps(NEW_SIDE).fates)).toEqual({
    a: { fate: 'restored', detail: '120' },
    b: { fate: 'failed', detail: 'its saved state is damaged: not loaded' },
  });
});

test('a record without a stamp that is needed is refused, by that stamp’s name', () => {
  const cut = parseStamps(NEW_SIDE.replace(/^stamp qemu-exec.*$/gm, ''));
  expect(() => computeTimings(parseStamps(OLD_SIDE), cut, 1)).toThrow(
    'The record of the update lacks the stamp "qemu-exec".',
  );
});

test('the frequency of the TSC comes from two readings, and never from two that are too close', () => {
  expect(tscKhz({ tsc: 0n, ns: 0n }, { tsc: 2_600_000_000n, ns: 1_000_000_000n })).toBe(2_600_000);
  expect(tscKhz({ tsc: 0n, ns: 0n }, { tsc: 2_600n, ns: 1_000n })).toBeNull();
});
