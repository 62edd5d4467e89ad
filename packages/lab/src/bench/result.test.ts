import { expect, test } from 'vitest';
import type { KexecRuns } from './kexec.ts';
import { keepsLimits, kexecResult } from './result.ts';

const update = (busyMemory: string, blackoutMs: number, busyBlackoutMs: number) => ({
  ...{ from: '6.12', to: '7.2', handover: 'kexec' as const, busyMemory, blackoutMs, busyBlackoutMs },
  ...{ observerPauseMs: 5, overheadMs: 100, initramfsBytes: 15_000_000, phases: [] },
});
const runs = (busyAt1G: number): KexecRuns => ({
  floor: [{ from: '6.12', to: '7.2', start: 'kexec', ms: 1000 }],
  updates: [update('512M', 1200, 800)],
  largeUpdates: [update('1G', 1200, busyAt1G)],
  reboot: update('512M', 30_000, 30_000),
});

test("what memory costs is busy's own blackout, whichever VM is the slowest", () => {
  expect(kexecResult(runs(1200))).toMatchObject({ blackoutMs: 1200, ratio: 1.2, ramScaling: 1.5 });
  expect(keepsLimits(kexecResult(runs(1200)))).toBe(false);
  expect(keepsLimits(kexecResult(runs(810)))).toBe(true);
});
