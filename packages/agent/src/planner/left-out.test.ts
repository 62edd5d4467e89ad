import type { Check } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { fakeVm } from '../testing/fakes.ts';
import { judge } from './left-out.ts';

const failed: Check = { id: 'vm-runs', subject: 'web', verdict: 'fail', reason: 'It cannot be saved.' };
const host: Check = { id: 'kvm', subject: 'host', verdict: 'fail', reason: 'There is no KVM.' };
const web = (onFailure: 'abort' | 'shutdown' | 'leave') => ({
  name: 'web',
  spec: { ...fakeVm('web').spec, onFailure },
});

test('by default a VM that cannot be taken along stops the update', () => {
  expect(judge([failed], [web('abort')])).toEqual({ checks: [failed], leftOut: [] });
});

test.each([
  ['shutdown', 'It cannot be saved. As its spec says, it is powered down for the update.'],
  ['leave', 'It cannot be saved. As its spec says, it is left behind.'],
] as const)('a spec that says %s leaves it out; what fails of the host still counts', (how, reason) => {
  expect(judge([failed, host], [web(how)])).toEqual({
    checks: [{ ...failed, verdict: 'warn', reason }, host],
    leftOut: [{ name: 'web', how, reason: 'It cannot be saved.' }],
  });
});

test('a VM without a failed check is taken along whatever its spec says', () => {
  expect(judge([{ ...failed, verdict: 'warn' }], [web('leave')]).leftOut).toEqual([]);
});
