import type { Host, Observation, Report, Update } from '@exuvia/contract';
import { expect, test } from 'vitest';
import type { ObservedUpdate } from '../update/observed-update.ts';
import { demoResult } from './result.ts';

type Seen = Observation['vms'][number];

function seen(
  change: { vm?: Partial<Seen>; state?: Update['state']; kernelAfter?: string; lost?: boolean } = {},
) {
  const vm: Seen = {
    ...{
      name: 'tiny',
      blackoutMs: 4000,
      bootIdSame: true,
      sequenceMonotonic: true,
      integrity: 'ok',
      gaps: [],
    },
    ...change.vm,
  };
  // Only what the result is made of.
  return {
    before: { kernel: '6.12.1', qemu: '10.0.13' } as Host,
    after: { kernel: change.kernelAfter ?? '7.2.1' } as Host,
    update: { state: change.state ?? 'completed', to: '7.2.1' } as Update,
    observation: { observer: 'test', clock: 'own', vms: [vm] },
    observerPauseMs: 5,
    report: {
      phases: [{ name: 'VM suspend', ms: 1 }],
      totalMs: 3900,
      vms: [{ name: 'tiny', outcome: change.lost === true ? 'lost' : 'running' }],
    } as Report,
  } satisfies Omit<ObservedUpdate, 'plan'>;
}

test('the result says what the issue asks for', () => {
  expect(demoResult(seen(), 'tcg', '/r.html')).toEqual({
    ok: true,
    accelerator: 'tcg',
    host: { kernelBefore: '6.12.1', kernelAfter: '7.2.1', qemu: '10.0.13' },
    vms: [{ name: 'tiny', survived: true, bootIdSame: true, blackoutMs: 4000, integrity: 'ok' }],
    phases: [{ name: 'VM suspend', ms: 1 }],
    totalMs: 3900,
    report: '/r.html',
  });
});

test.each([
  ['a guest booted again', { vm: { bootIdSame: false } }],
  ['a sequence number came twice', { vm: { sequenceMonotonic: false } }],
  ['the contents of a guest are wrong', { vm: { integrity: 'failed' } }],
  ['nothing is known of the contents', { vm: { integrity: 'unknown' } }],
  ['the host lost a VM', { lost: true }],
  ['the update was aborted', { state: 'aborted' }],
  ['the kernel is another one than was asked for', { kernelAfter: '6.12.1' }],
] as const)('nothing is well when %s', (_, change) => {
  expect(demoResult(seen(change), 'tcg', '/r.html').ok).toBe(false);
});
